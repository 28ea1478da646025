import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerOptions,
  LogController
} from 'fastify'
import { createClientErrorHandler } from './http/client-error.ts'
import { toOriginForm } from './http/host.ts'
import { Http1Response } from './http/http1-response.ts'
import { buildSerializer } from './http/json/serializer.ts'
import { buildValidator } from './http/json/validator.ts'
import { listenerOptions } from './http/listener.ts'
import { answerUnrouted } from './http/not-found.ts'
import { sendProblem } from './http/problem.ts'
import { createLogger, createRequestIds } from './observe/logger.ts'
import { RecordedResponse } from './observe/recorder/response.ts'
import { createRedactor } from './observe/redact/redactor.ts'
import { version } from './package-version.ts'
import accessLog from './plugins/access-log.ts'
import clientAddresses from './plugins/client-address.ts'
import compress from './plugins/compress.ts'
import connections from './plugins/connection-limits.ts'
import cors from './plugins/cors.ts'
import drain from './plugins/drain.ts'
import exchange from './plugins/exchange.ts'
import lastCounts from './plugins/final-counters.ts'
import http2 from './plugins/http2.ts'
import addresses from './plugins/ip-filter.ts'
import jsonBody from './plugins/json-body.ts'
import jwt, { issuers } from './plugins/jwt.ts'
import metrics from './plugins/metrics.ts'
import overload, { shedding } from './plugins/overload.ts'
import overrides, { type Overrides } from './plugins/overrides.ts'
import problem from './plugins/problem.ts'
import rateLimit, { tiers } from './plugins/rate-limit.ts'
import recorder from './plugins/recorder.ts'
import redis from './plugins/redis.ts'
import scopeName from './plugins/scope.ts'
import securityHeaders from './plugins/security-headers.ts'
import http from './plugins/strict-http.ts'
import supervisorPlugin, { type Supervisor } from './plugins/supervisor.ts'
import certificates from './plugins/tls.ts'
import upstreams from './plugins/upstreams.ts'
import versions from './plugins/versions.ts'
import websocket from './plugins/websocket.ts'
import { ConfigError, type GatewayConfig } from './schemas/options/gateway.ts'
import type { Routes } from './schemas/options/routes.ts'

export { ConfigError, defineGateway, resolveConfig } from './schemas/options/gateway.ts'

/** What a gateway finds around it, where it is not alone in its process and on the net. */
export interface Surroundings {
  /** The supervisor of a worker: it counts the limits, and gets the worker's own counts when that ends. */
  supervisor?: Supervisor
  /** Replacements for what the gateway reaches. */
  overrides?: Overrides
}

/**
 * A gateway of a resolved config, ready to listen: no listening, no signals, no environment. It starts whether or not
 * its upstreams, its issuers and its Redis are up. Logs to standard output, never waiting for it, unless given a logger. `now`: epoch ms, by
 * which versions come and go, and exchanges are dated.
 */
export async function buildGateway(
  config: GatewayConfig,
  logger: FastifyBaseLogger | undefined = createLogger(config.log.level, 1, createRedactor(config.redact)),
  now: () => number = Date.now,
  { supervisor, overrides: replacements }: Surroundings = {}
): Promise<FastifyInstance> {
  const { headersTimeout, requestTimeout, keepAliveTimeout } = config.http
  const gateway = Fastify({
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: config.trustProxy.length > 0 && config.trustProxy,
    bodyLimit: config.bodyLimit,
    requestTimeout,
    keepAliveTimeout,
    http: {
      headersTimeout: Math.min(headersTimeout, requestTimeout),
      requestTimeout,
      connectionsCheckingInterval: Math.min(headersTimeout, requestTimeout, 2_000),
      maxHeaderSize: config.http.maxHeaderSize,
      // Of two lines node would drop the second; joined, what may not be there twice is seen to be.
      joinDuplicateHeaders: true,
      // Refused by the http plugin: node would carry on with what comes behind it.
      requireHostHeader: false,
      ServerResponse: config.recorder.size > 0 ? RecordedResponse : Http1Response
    },
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestIdHeader: false,
    rewriteUrl: toOriginForm,
    genReqId: createRequestIds(),
    // No hook has seen it, so neither is its framing known to be good.
    frameworkErrors: (error, request, reply) =>
      sendProblem(error, request, reply.header('connection', 'close')) as never,
    clientErrorHandler: createClientErrorHandler(),
    schemaController: { compilersFactory: { buildValidator, buildSerializer } as never },
    ...listenerOptions(config.listen, config.http, config.recorder.size > 0)
  } as FastifyServerOptions)

  if (replacements || now !== Date.now)
    await gateway.register(overrides, { ...replacements, ...(now !== Date.now && { now }) })
  if (supervisor) await gateway.register(supervisorPlugin, supervisor)

  // By default node drops what is beyond, and says nothing. The http plugin counts.
  gateway.server.maxHeadersCount = 0

  // JSON, or what a forwarding route streams: nothing else is read.
  gateway.removeContentTypeParser('text/plain')
  await gateway.register(jsonBody)

  // What every exchange has: an answer that says what went wrong, a deadline, a line in the log, a place in the metrics
  // and one in the recorder, an end of its connection when the gateway stops, and a form that only one reading has.
  await gateway.register(problem)
  if (config.trustProxy.length > 0) await gateway.register(clientAddresses)
  await gateway.register(connections, {
    ...config.http,
    trustProxy: config.trustProxy,
    tls: config.listen.tls !== undefined
  })
  await gateway.register(exchange, { deadline: config.deadline, ...config.trace })
  if (config.listen.http2 !== false) await gateway.register(http2, config.http)
  if (logger) await gateway.register(accessLog, { ...config.log, logger })
  if (config.overload) await gateway.register(overload, config.overload)
  if (config.metrics) await gateway.register(metrics)
  if (config.recorder.size > 0)
    await gateway.register(recorder, {
      ...config.recorder,
      redactor: createRedactor(config.redact),
      version,
      now
    })
  await gateway.register(drain, config.drain)
  await gateway.register(http, config.http)
  if (config.listen.tls) await gateway.register(certificates, config.listen.tls)
  // What the scopes' patterns are made of.
  await gateway.register(upstreams, {
    upstreams: config.upstreams,
    maxHeaderSize: config.http.maxHeaderSize
  })
  await gateway.register(websocket)
  await gateway.register(issuers, { issuers: config.issuers })
  if (config.redis) await gateway.register(redis, config.redis)
  await gateway.register(tiers, { tiers: config.tiers, ...config.rateLimit })

  if (supervisor) await gateway.register(lastCounts)

  // Hook order in a scope: CORS, load shedding, IP filter, 404 and 405, address limit, version, JWT, end of the version,
  // consumer limit, routes.
  for (const [name, options] of Object.entries(config.scopes)) {
    const { prefix, routes, version, priority, passHeaders, jwt: issuer, rateLimit: limits } = options
    const everyRequest = async (scope: FastifyInstance) => {
      await scope.register(scopeName, { name, passHeaders })
      if (options.cors) await scope.register(cors, options.cors)
      if (config.overload) await scope.register(shedding, { priority })
      if (options.addresses) await scope.register(addresses, options.addresses)
      if (options.securityHeaders) await scope.register(securityHeaders, options.securityHeaders)
      if (options.compress) await scope.register(compress, options.compress)
    }
    const limitAddress = async (scope: FastifyInstance) => {
      if (limits.address) await scope.register(rateLimit, { by: 'address', tier: limits.address })
    }
    const authenticate = async (scope: FastifyInstance) => {
      if (issuer) await scope.register(jwt, { issuer })
    }
    const limited = (routes: Routes) => async (scope: FastifyInstance) => {
      if (limits.consumer) await scope.register(rateLimit, { by: 'consumer', tier: limits.consumer })
      try {
        await scope.register(routes)
      } catch (error) {
        throw inScope(error, name)
      }
    }
    if (options.versions) {
      const family = Object.entries(options.versions).map(([name, { routes, ...dates }]) => [
        name,
        { ...dates, routes: limited(routes) }
      ])
      await gateway.register(versions, {
        name,
        prefix,
        versions: Object.fromEntries(family),
        version,
        beforeVersion: async scope => {
          await everyRequest(scope)
          await limitAddress(scope)
        },
        authenticate
      })
    } else
      await gateway.register(
        async scope => {
          await everyRequest(scope)
          await scope.register(async inner => {
            await limitAddress(inner)
            await authenticate(inner)
            await inner.register(limited(routes as Routes))
          })
          answerUnrouted(scope)
        },
        { prefix }
      )
  }
  await gateway.ready()
  return gateway
}

/** Notes the scope whose routes could not be made, for messages: the error itself may only say what has failed. */
function inScope(error: unknown, scope: string): unknown {
  return error instanceof Error && !(error instanceof ConfigError) ? Object.assign(error, { scope }) : error
}
