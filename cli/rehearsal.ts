import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import createError from '@fastify/error'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { buildGateway } from '../gateway.ts'
import { DetachedExchange, type Exchange } from '../http/exchange.ts'
import type { Decision, Limiter, Tier } from '../limits/limiter.ts'
import type { Headers } from '../proxy/attempt.ts'
import { basesOf } from '../proxy/endpoints/endpoints.ts'
import type { Upstream } from '../proxy/upstream.ts'
import type { GatewayConfig } from '../schemas/options/gateway.ts'
import type { UpstreamOptions } from '../schemas/options/upstreams.ts'
import { type Answer, exchangeOver } from './connection.ts'
import { createKeys, type StandInKeys } from './keys.ts'

/** A call that the gateway would make. */
export interface WouldBeCall {
  upstream: string
  method: string
  /** Path and query, without the endpoint's own path. */
  path: string
  headers: Headers
  body: string | undefined
  /** The body is the client's, passed on as it comes. */
  isStreamed: boolean
}

/** What a limit was asked, and said: it begins with nothing counted. */
export interface CheckedLimit {
  key: string
  tier: Tier
  decision: Decision
}

export interface Rehearsed {
  /** Undefined if no request came of it: the parser refused it. */
  exchange: Exchange | undefined
  limits: CheckedLimit[]
  calls: WouldBeCall[]
  answer: Answer
}

/**
 * The real gateway of a config, with its hooks, routes and handlers, but reaching nothing: it does not listen, connects
 * to no upstream, issuer or Redis, and looks up no name. What it would send is kept. Handlers that no pattern has made
 * are not run, since nobody knows what they do.
 */
export interface Rehearsal {
  gateway: FastifyInstance
  /** Every route that was made, in its order. */
  routes: RouteOptions[]
  keys: StandInKeys
  /** `message`: a request as it is on the wire. */
  send(message: Buffer, from: string): Promise<Rehearsed>
  close(): Promise<void>
}

const NotSent = createError('SLUICE_NOT_SENT', 'Nothing is sent in a rehearsal', 502, Error, false)
const NotRun = createError('SLUICE_NOT_RUN', 'The handler is not run in a rehearsal', 500, Error, false)

export async function rehearse(config: GatewayConfig): Promise<Rehearsal> {
  const routes: RouteOptions[] = []
  const keys = createKeys()
  let calls: WouldBeCall[] = []
  let limits: CheckedLimit[] = []
  let onEnd: (exchange: Exchange) => void = () => {}

  const { tls, ...listen } = config.listen
  const quiet: GatewayConfig = {
    ...config,
    // Over a connection in memory there is no handshake.
    listen: { ...listen, http2: false },
    log: { ...config.log, level: 'silent' }
  }
  const gateway = await buildGateway(quiet, undefined, Date.now, {
    overrides: {
      onRoute(route) {
        routes.push(route)
        const isOwn = route.config?.calls === undefined && !route.config?.isCatchAll && !isHidden(route)
        if (isOwn) route.handler = (_request, reply) => reply.send(new NotRun())
      },
      createUpstream: standIn,
      createJwks: () => keys.jwks,
      createLimiter: watch,
      redis: false
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
      const isOver = new Promise<void>(resolve => {
        onEnd = ended => {
          exchange = ended
          resolve()
        }
      })
      const answer = await exchangeOver(
        gateway.server,
        message,
        { from, isSecure: tls !== undefined },
        isOver
      )
      return { exchange, limits, calls, answer }
    },
    close: () => gateway.close()
  }

  function standIn(name: string, options: UpstreamOptions): Upstream {
    return {
      name,
      bases: basesOf(options),
      collect: options.collect,
      request({ exchange, method, path, headers, body }, callback) {
        // A copy for a mirror is made after the answer, of which there is none.
        if (exchange instanceof DetachedExchange) return void callback(new NotSent())
        exchange.called(name)
        const isStreamed = body instanceof Readable
        const call: WouldBeCall = {
          upstream: name,
          method,
          path,
          headers,
          body: isStreamed ? undefined : body?.toString(),
          isStreamed
        }
        calls.push(call)
        // Later, so that all parts of a composition are seen; the body is read, as a service would.
        const rest = isStreamed
          ? text(body).then(read => {
              call.body = read
            })
          : Promise.resolve()
        rest.then(
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
          refused: 0,
          opened: 0,
          halfOpened: 0,
          closed: 0,
          slowTotal: 0
        },
        calls: { running: 0, queued: 0, rejected: 0, retries: 0, exhausted: 0 },
        endpoints: []
      }),
      async close() {}
    }
  }

  function watch(memory: Limiter): Limiter {
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

function isHidden({ schema }: RouteOptions): boolean {
  return (schema as { hide?: boolean } | undefined)?.hide === true
}
