import { createProblem } from './problem.ts'

/** Reasons for which an exchange ends before its response is complete. */
export const DeadlineExceeded = createProblem(
  'SLUICE_DEADLINE_EXCEEDED',
  'The service took too long to respond',
  504
)
export const RequestTimeout = createProblem(
  'SLUICE_REQUEST_TIMEOUT',
  'The request took too long to arrive',
  408
)
export const IdleTimeout = createProblem('SLUICE_IDLE_TIMEOUT', 'No data was sent for too long', 504)
/** The gateway stops: neither the client nor a service is to blame. */
export const Stopping = createProblem('SLUICE_STOPPING', 'The gateway is stopping', 503)
/** Appears in logs only: the client has disconnected and reads no response. */
export const ClientClosedRequest = createProblem(
  'SLUICE_CLIENT_CLOSED_REQUEST',
  'The client closed the request',
  499
)
