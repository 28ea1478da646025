import type { Socket } from 'node:net'

/** Counters on a client's socket, kept by the connectionLimits plugin. */
export const requests = Symbol('sluice.requests')
export const pipelined = Symbol('sluice.pipelined')

export type CountedSocket = Socket & {
  /** Requests that have started on the connection. */
  [requests]?: number
  /** Requests that wait for an earlier response. */
  [pipelined]?: number
}
