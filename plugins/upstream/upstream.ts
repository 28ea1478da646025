import type { Readable } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import { type Dispatcher, Pool } from 'undici'
import type { UpstreamOptions } from '../../schemas/upstream.ts'
import type { Abortable, Exchange } from '../exchange.ts'
import { type BreakerCounts, type BreakerState, createBreaker } from './breaker.ts'
import { Call, type Headers, type UpstreamCallback } from './call.ts'
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
  url: string
  breaker: { state: BreakerState } & BreakerCounts
}

/**
 * A named service, and everything that guards it, in the order in which a call meets it: deadline (the exchange's),
 * breaker, pool, attempt. Forwarding and composition call the same object, so they share what it knows.
 */
export interface Upstream {
  readonly name: string
  /** Calls back exactly once. Returns what cancels the call, or undefined if it was refused. */
  request(options: UpstreamRequest, callback: UpstreamCallback): Abortable | undefined
  state(): UpstreamState
  close(): Promise<void>
}

export function createUpstream(name: string, options: UpstreamOptions, log: FastifyBaseLogger): Upstream {
  const { origin, pathname } = new URL(options.url)
  const base = pathname === '/' ? '' : pathname.replace(/\/$/, '')
  const { collect, maxBody } = options
  const breaker = createBreaker(name, options.breaker, state =>
    log.warn({ upstream: name, breaker: state }, 'breaker changed')
  )
  const pool = new Pool(origin, {
    connections: options.connections,
    pipelining: 1,
    allowH2: false,
    // The exchange's deadline covers both, to the last byte.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: options.connectTimeout, ca: options.tls?.ca, rejectUnauthorized: true }
  })

  return {
    name,
    request({ exchange, method, path, headers, body = null, collect: collectAll = false }, callback) {
      if (exchange.reason !== undefined) {
        callback(exchange.reason)
        return undefined
      }
      exchange.called(name)
      const permit = breaker.admit()
      if (permit === undefined) {
        callback(unavailable(breaker.retryAfter()))
        return undefined
      }
      const call = new Call(
        exchange,
        method === 'HEAD',
        collectAll ? maxBody : collect,
        collectAll,
        outcome => breaker.report(permit, outcome),
        callback
      )
      exchange.attempts++
      pool.dispatch({ path: base + path, method: method as Dispatcher.HttpMethod, headers, body }, call)
      return call
    },
    state: () => ({ name, url: options.url, breaker: { state: breaker.state, ...breaker.counts() } }),
    async close() {
      breaker.close()
      await pool.destroy()
    }
  }
}
