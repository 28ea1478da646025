import { type Dispatcher, Pool } from 'undici'
import type { UpstreamOptions } from '../../schemas/upstream.ts'
import type { Outcome } from './breaker.ts'

/** One base URL of an upstream, and the connections to it. */
export interface Endpoint {
  readonly url: string
  /** The path that comes before every request's. */
  readonly base: string
  readonly dispatcher: Dispatcher
  /** Attempts under way; kept by the caller of `pick()`. */
  inFlight: number
  /** Of each attempt. `ms`: to the head of its answer, or to its failure. */
  report(outcome: Outcome, ms: number): void
}

export function createEndpoint(url: string, options: UpstreamOptions): Endpoint {
  const { origin, pathname } = new URL(url)
  return {
    url,
    base: pathname === '/' ? '' : pathname.replace(/\/$/, ''),
    dispatcher: new Pool(origin, {
      connections: options.connections,
      pipelining: 1,
      allowH2: false,
      // The exchange's deadline covers both, to the last byte.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: options.connectTimeout, ca: options.tls?.ca, rejectUnauthorized: true }
    }),
    inFlight: 0,
    report() {}
  }
}
