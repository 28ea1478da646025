import type { Readable } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import type { Dispatcher } from 'undici'
import type { UpstreamOptions } from '../../schemas/upstream.ts'
import type { Abortable, Exchange } from '../exchange.ts'
import { type BreakerCounts, type BreakerState, createBreaker } from './breaker.ts'
import { Call, type Headers, type UpstreamCallback } from './call.ts'
import { basesOf, createEndpoints, type EndpointState } from './endpoints.ts'
import { unavailable } from './errors.ts'

export interface UpstreamRequest {
  exchange: Exchange
  method: string
  /** Path and query as they are to be sent. */
  path: string
  headers: Headers
  body?: string | Buffer | Readable | null
  /** Collect the answer whatever its size; beyond the upstream's `maxBody` the call fails with 502. */
  collect?: boolean
}

export interface UpstreamState {
  name: string
  breaker: { state: BreakerState } & BreakerCounts
  endpoints: EndpointState[]
}

/**
 * A named service, and everything that guards it, in the order in which a call meets it: deadline (the exchange's),
 * breaker, endpoint, pool, attempt. Forwarding and composition call the same object, so they share what it knows.
 */
export interface Upstream {
  readonly name: string
  /** The base URLs that its services may name in their answers. */
  readonly bases: readonly string[]
  /** Calls back exactly once. Returns what cancels the call, or undefined if it was refused. */
  request(options: UpstreamRequest, callback: UpstreamCallback): Abortable | undefined
  state(): UpstreamState
  close(): Promise<void>
}

export function createUpstream(name: string, options: UpstreamOptions, log: FastifyBaseLogger): Upstream {
  const { collect, maxBody } = options
  const breaker = createBreaker(name, options.breaker, state =>
    log.warn({ upstream: name, breaker: state }, 'breaker changed')
  )
  const endpoints = createEndpoints(name, options, log)

  return {
    name,
    bases: basesOf(options),
    request({ exchange, method, path, headers, body = null, collect: collectAll = false }, callback) {
      if (exchange.reason !== undefined) {
        callback(exchange.reason)
        return undefined
      }
      const permit = breaker.admit()
      if (permit === undefined) {
        callback(unavailable(breaker.retryAfter()))
        return undefined
      }
      const endpoint = endpoints.pick({ exchange, headers })
      if (endpoint === undefined) {
        breaker.report(permit, 'neutral')
        callback(unavailable(1))
        return undefined
      }
      const startedAt = performance.now()
      endpoint.inFlight++
      const call = new Call(
        exchange,
        method === 'HEAD',
        collectAll ? maxBody : collect,
        collectAll,
        outcome => {
          endpoint.inFlight--
          endpoint.report(outcome, performance.now() - startedAt)
          breaker.report(permit, outcome)
        },
        callback
      )
      endpoint.dispatcher.dispatch(
        { path: endpoint.base + path, method: method as Dispatcher.HttpMethod, headers, body },
        call
      )
      return call
    },
    state: () => ({
      name,
      breaker: { state: breaker.state, ...breaker.counts() },
      endpoints: endpoints.state()
    }),
    async close() {
      breaker.close()
      await endpoints.close()
    }
  }
}
