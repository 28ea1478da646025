import type { Exchange } from '../http/exchange.ts'
import type { Headers } from './attempt.ts'

/** gRPC's statuses and HTTP's, each in the place of the other. */

/** https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md, with more told apart. */
const GRPC: Record<number, number> = {
  400: 3,
  401: 16,
  403: 7,
  404: 12,
  405: 12,
  408: 4,
  413: 8,
  429: 8,
  499: 1,
  500: 13,
  501: 12,
  502: 14,
  503: 14,
  504: 4
}
const UNKNOWN = 2

/**
 * By the number, as Envoy has it (Grpc::Utility::grpcToHttpStatus), but for UNIMPLEMENTED: any client can call what there
 * is not, so no breaker should count it.
 */
const HTTP = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 404, 500, 503, 500, 401]

export function toGrpcStatus(httpStatus: number): number {
  return GRPC[httpStatus] ?? UNKNOWN
}

export function toHttpStatus(grpcStatus: number): number {
  return HTTP[grpcStatus] ?? 500
}

/** Sets the gRPC status of an exchange, and the HTTP status that stands for it in logs and metrics. */
export function setGrpcStatus(exchange: Exchange, grpcStatus: number | undefined): void {
  exchange.grpcStatus = grpcStatus
  exchange.outcomeStatus = grpcStatus === undefined ? undefined : toHttpStatus(grpcStatus)
}

/** Undefined if there is none. What is no number is UNKNOWN, as it is to clients. */
export function readGrpcStatus({ 'grpc-status': status }: Headers): number | undefined {
  if (status === undefined) return undefined
  return /^\d{1,2}$/.test(String(status)) ? Number(status) : UNKNOWN
}
