import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import createError from '@fastify/error'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { createSubstituteKeys, type SubstituteKeys } from '../auth/substitute-keys.ts'
import { buildGateway } from '../gateway.ts'
import { DetachedExchange } from '../http/detached-exchange.ts'
import type { Exchange } from '../http/exchange.ts'
import { isHidden } from '../http/hidden-route.ts'
import type { Decision, Limiter, Tier } from '../limits/limiter.ts'
import type { Headers } from '../proxy/call-types.ts'
import { basesOf } from '../proxy/endpoints/endpoints.ts'
import type { Upstream } from '../proxy/upstream-types.ts'
import type { GatewayConfig } from '../schemas/options/gateway.ts'
import type { UpstreamOptions } from '../schemas/options/upstreams.ts'
import { type RawResponse, sendInMemory } from './in-memory-connection.ts'

/** A call that the gateway would make to a service. */
export interface PlannedCall {
  upstream: string
  method: string
  /** Path and query, without the endpoint's own path. */
  path: string
  headers: Headers
  body: string | undefined
  /** True if the client's body streams through. */
  isStreamed: boolean
}

/** A check of a rate limit, whose counters start at zero. */
export interface CheckedLimit {
  key: string
  tier: Tier
  decision: Decision
}

export interface DryRunResult {
  /** Undefined if the parser rejected the request. */
  exchange: Exchange | undefined
  limits: CheckedLimit[]
  calls: PlannedCall[]
  response: RawResponse
}

/**
 * The real gateway of a config, cut off from the network: it does not listen, and connects to no upstream, issuer, Redis or
 * DNS server. It records the calls that it would make. Handlers that no pattern created do not run, since their effects
 * are unknown.
 */
export interface DryRun {
  gateway: FastifyInstance
  /** All routes in the order of registration. */
  routes: RouteOptions[]
  keys: SubstituteKeys
  /** Sends a raw HTTP/1.1 request from the client address `from`. */
  send(message: Buffer, from: string): Promise<DryRunResult>
  close(): Promise<void>
}

const NotSent = createError('SLUICE_NOT_SENT', 'A dry run calls no service', 502, Error, false)
const NotRun = createError('SLUICE_NOT_RUN', 'A dry run does not run this handler', 500, Error, false)

export async function startDryRun(config: GatewayConfig): Promise<DryRun> {
  const routes: RouteOptions[] = []
  const keys = createSubstituteKeys()
  let calls: PlannedCall[] = []
  let limits: CheckedLimit[] = []
  let onEnd: (exchange: Exchange) => void = () => {}

  const { tls, ...listen } = config.listen
  const offline: GatewayConfig = {
    ...config,
    // A connection in memory has no TLS handshake, which negotiates HTTP/2.
    listen: { ...listen, http2: false },
    log: { ...config.log, level: 'silent' }
  }
  const gateway = await buildGateway(offline, undefined, Date.now, {
    overrides: {
      onRoute(route) {
        routes.push(route)
        const hasOwnHandler =
          route.config?.calls === undefined && !route.config?.isCatchAll && !isHidden(route)
        if (hasOwnHandler) route.handler = (_request, reply) => reply.send(new NotRun())
      },
      createUpstream: createOfflineUpstream,
      createJwks: () => keys.jwks,
      createLimiter: recordChecks,
      redis: false,
      otel: false
    }
  })
  gateway.onExchangeEnd(exchange => onEnd(exchange))

  return {
    gateway,
    routes,
    keys,
    async send(message, from) {
      calls = []
      limits = []
      let exchange: Exchange | undefined
      const hasEnded = new Promise<void>(resolve => {
        onEnd = ended => {
          exchange = ended
          resolve()
        }
      })
      const client = { address: from, isSecure: tls !== undefined }
      const response = await sendInMemory(gateway.server, message, client, hasEnded)
      return { exchange, limits, calls, response }
    },
    close: () => gateway.close()
  }

  function createOfflineUpstream(name: string, options: UpstreamOptions): Upstream {
    return {
      name,
      bases: basesOf(options),
      bufferLimit: options.bufferLimit,
      request({ exchange, method, path, headers, body }, callback) {
        // A mirrored request follows the response, which a dry run does not have.
        if (exchange instanceof DetachedExchange) return void callback(new NotSent())
        exchange.addUpstream(name)
        const isStreamed = body instanceof Readable
        const call: PlannedCall = {
          upstream: name,
          method,
          path,
          headers,
          body: isStreamed ? undefined : body?.toString(),
          isStreamed
        }
        calls.push(call)
        // Fail later, so that all parts of a composition are recorded. Read the body as a service would.
        const bodyRead = isStreamed
          ? text(body).then(content => {
              call.body = content
            })
          : Promise.resolve()
        bodyRead.then(
          () => setImmediate(callback, new NotSent()),
          error => callback(error)
        )
        return undefined
      },
      state: () => ({
        name,
        breaker: {
          state: 'closed',
          calls: 0,
          successes: 0,
          failures: 0,
          slow: 0,
          rejected: 0,
          opened: 0,
          halfOpened: 0,
          closed: 0,
          slowTotal: 0,
          since: new Date().toISOString(),
          history: []
        },
        calls: { running: 0, queued: 0, rejected: 0, retries: 0, exhausted: 0 },
        endpoints: []
      }),
      act() {},
      reset() {},
      async close() {}
    }
  }

  function recordChecks(memory: Limiter): Limiter {
    return {
      check(key, tier, cost, callback) {
        memory.check(key, tier, cost, (error, decision) => {
          limits.push({ key, tier, decision: decision ?? [] })
          callback(error, decision)
        })
      }
    }
  }
}
