import AjvCompiler from '@fastify/ajv-compiler'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerOptions,
  LogController
} from 'fastify'
import packageJson from './package.json' with { type: 'json' }
import accessLog from './plugins/access-log.ts'
import drain from './plugins/drain.ts'
import exchange from './plugins/exchange.ts'
import jwt, { issuers } from './plugins/jwt/index.ts'
import { createLogger, createRequestIds } from './plugins/log.ts'
import metrics from './plugins/metrics.ts'
import problem, { sendProblem } from './plugins/problem.ts'
import rateLimit, { tiers } from './plugins/rate-limit/index.ts'
import recorder from './plugins/recorder/index.ts'
import { createRedactor } from './plugins/redact/index.ts'
import redis from './plugins/redis.ts'
import scopeName from './plugins/scope.ts'
import upstreams from './plugins/upstream/index.ts'
import versions, { chooseVersion, useVersion } from './plugins/version/index.ts'
import type { GatewayConfig } from './schemas/gateway.ts'

export { ConfigError, defineGateway, resolveConfig } from './schemas/gateway.ts'

/**
 * A gateway of a resolved config, ready to listen: no listening, no signals, no environment. It starts whether or not
 * its upstreams, its issuers and its Redis are up. Logs to standard output, never waiting for it, unless given a logger. `now`: epoch ms, by
 * which versions come and go, and exchanges are dated.
 */
export async function buildGateway(
  config: GatewayConfig,
  logger: FastifyBaseLogger | undefined = createLogger(config.log.level, 1, createRedactor(config.redact)),
  now: () => number = Date.now
): Promise<FastifyInstance> {
  const gateway = Fastify({
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: config.trustProxy.length > 0 && config.trustProxy,
    bodyLimit: config.bodyLimit,
    requestTimeout: 60_000,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestIdHeader: false,
    genReqId: createRequestIds(),
    frameworkErrors: (error, request, reply) => sendProblem(error, request, reply) as never,
    clientErrorHandler,
    schemaController: { compilersFactory: { buildValidator } }
  } as FastifyServerOptions)

  // JSON, or what a forwarding route streams: nothing else is read.
  gateway.removeContentTypeParser('text/plain')

  // What every exchange has: an answer that says what went wrong, a deadline, a line in the log, a place in the metrics
  // and one in the recorder, and an end of its connection when the gateway stops.
  await gateway.register(problem)
  await gateway.register(exchange, { deadline: config.deadline, ...config.trace })
  if (logger) await gateway.register(accessLog, { ...config.log, logger })
  if (config.metrics) await gateway.register(metrics)
  if (config.recorder.size > 0)
    await gateway.register(recorder, {
      ...config.recorder,
      redactor: createRedactor(config.redact),
      version: packageJson.version,
      now
    })
  await gateway.register(drain)
  // What the scopes' patterns are made of.
  await gateway.register(upstreams, config.upstreams)
  await gateway.register(issuers, config.issuers)
  if (config.redis) await gateway.register(redis, config.redis)
  await gateway.register(tiers, { tiers: config.tiers, ...config.rateLimit })

  await gateway.register(versions, { now })

  // The way of a request through a scope: address limit, version, token, consumer limit, then its own routes:
  // validation, transformation, upstreams and back.
  for (const [name, { jwt: issuer, rateLimit: limits, ...scope }] of Object.entries(config.scopes)) {
    for (const { prefix, routes, place } of gateway.mountsOf(name, scope)) {
      await gateway.register(
        async scope => {
          await scope.register(scopeName, { name, version: place?.served?.name })
          if (limits.address) await scope.register(rateLimit, { by: 'address', tier: limits.address })
          if (place) await scope.register(chooseVersion, place)
          if (issuer) await scope.register(jwt, { issuer })
          if (place) await scope.register(useVersion, place)
          if (limits.consumer) await scope.register(rateLimit, { by: 'consumer', tier: limits.consumer })
          await scope.register(routes)
        },
        { prefix }
      )
    }
  }
  await gateway.ready()
  return gateway
}

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
