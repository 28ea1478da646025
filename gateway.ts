import AjvCompiler from '@fastify/ajv-compiler'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerOptions,
  LogController
} from 'fastify'
import accessLog, { childLoggerFactory, createLogger, createRequestIds } from './plugins/access-log.ts'
import addresses from './plugins/addresses.ts'
import certificates from './plugins/certificates.ts'
import compress from './plugins/compress.ts'
import cors from './plugins/cors.ts'
import drain from './plugins/drain.ts'
import exchange from './plugins/exchange.ts'
import http2 from './plugins/http2.ts'
import jwt, { issuers } from './plugins/jwt/index.ts'
import { listenerOptions } from './plugins/listener.ts'
import metrics from './plugins/metrics.ts'
import problem, { sendProblem } from './plugins/problem.ts'
import rateLimit, { tiers } from './plugins/rate-limit/index.ts'
import redis from './plugins/redis.ts'
import securityHeaders from './plugins/security-headers.ts'
import upstreams from './plugins/upstream/index.ts'
import websocket from './plugins/websocket/index.ts'
import type { GatewayConfig } from './schemas/gateway.ts'

export { ConfigError, defineGateway, resolveConfig } from './schemas/gateway.ts'

/**
 * A gateway of a resolved config, ready to listen: no listening, no signals, no environment. It starts whether or not
 * its upstreams, its issuers and its Redis are up. Logs to standard output, never waiting for it, unless given a logger.
 */
export async function buildGateway(
  config: GatewayConfig,
  logger: FastifyBaseLogger | undefined = createLogger(config.log.level)
): Promise<FastifyInstance> {
  const gateway = Fastify({
    ...(logger && { loggerInstance: logger }),
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory,
    trustProxy: config.trustProxy.length > 0 && config.trustProxy,
    bodyLimit: config.bodyLimit,
    requestTimeout: REQUEST_TIMEOUT,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestIdHeader: false,
    genReqId: createRequestIds(),
    frameworkErrors: (error, request, reply) => sendProblem(error, request, reply) as never,
    clientErrorHandler,
    schemaController: { compilersFactory: { buildValidator } },
    ...listenerOptions(config.listen)
  } as FastifyServerOptions)

  // JSON, or what a forwarding route streams: nothing else is read.
  gateway.removeContentTypeParser('text/plain')

  // What every exchange has: an answer that says what went wrong, a deadline, a line in the log and a place in the
  // metrics, and an end of its connection when the gateway stops.
  await gateway.register(problem)
  await gateway.register(exchange, { deadline: config.deadline })
  if (config.listen.http2 !== false) await gateway.register(http2, { requestTimeout: REQUEST_TIMEOUT })
  if (logger) await gateway.register(accessLog)
  if (config.metrics) await gateway.register(metrics)
  await gateway.register(drain, { drain: config.drain })
  if (config.listen.tls) await gateway.register(certificates, config.listen.tls)
  // What the scopes' patterns are made of.
  await gateway.register(upstreams, config.upstreams)
  await gateway.register(websocket)
  await gateway.register(issuers, config.issuers)
  if (config.redis) await gateway.register(redis, config.redis)
  await gateway.register(tiers, { tiers: config.tiers, ...config.rateLimit })

  // The way of a request through a scope: who may reach it from where, address limit, token, consumer limit, then its own routes: validation,
  // transformation, upstreams and back.
  for (const { prefix, routes, jwt: issuer, rateLimit: limits, ...patterns } of Object.values(
    config.scopes
  )) {
    await gateway.register(
      async scope => {
        if (patterns.addresses) await scope.register(addresses, patterns.addresses)
        if (patterns.cors) await scope.register(cors, patterns.cors)
        if (patterns.securityHeaders) await scope.register(securityHeaders, patterns.securityHeaders)
        if (patterns.compress) await scope.register(compress, patterns.compress)
        if (limits.address) await scope.register(rateLimit, { by: 'address', tier: limits.address })
        if (issuer) await scope.register(jwt, { issuer })
        if (limits.consumer) await scope.register(rateLimit, { by: 'consumer', tier: limits.consumer })
        await scope.register(routes)
      },
      { prefix }
    )
  }
  await gateway.ready()
  return gateway
}

/** Milliseconds for a request to come in whole. */
const REQUEST_TIMEOUT = 60_000

/** Bodies are taken as they are: JSON has types. Everything else is text, so numbers and lists are read from it. */
function buildValidator(externalSchemas: unknown, ajv: object) {
  const compile = (customOptions: object) =>
    AjvCompiler()(
      externalSchemas as never,
      { ...ajv, customOptions: { removeAdditional: false, allErrors: true, ...customOptions } } as never
    )
  const strict = compile({ coerceTypes: false })
  const coercing = compile({ coerceTypes: 'array' })
  return (route: { httpPart?: string }) => (route.httpPart === 'body' ? strict : coercing)(route as never)
}

const CLIENT_ERRORS: Record<string, [number, string]> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout']
}

/** What node's parser refuses never becomes a request. The connection's state is unknown, so it is closed. */
function clientErrorHandler(error: Error & { code?: string }, socket: import('node:net').Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const [status, title] = CLIENT_ERRORS[error.code ?? ''] ?? [400, 'Bad Request']
  const body = JSON.stringify({ type: 'about:blank', title, status })
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
  )
}
