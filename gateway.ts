import Fastify, { type FastifyBaseLogger, type FastifyInstance, type RouteOptions } from 'fastify'
import { answerUnrouted } from './http/not-found.ts'
import { createLogger } from './observe/logger.ts'
import accessLog from './plugins/access-log.ts'
import clientAddress from './plugins/client-address.ts'
import compress from './plugins/compress.ts'
import connectionLimits from './plugins/connection-limits.ts'
import cors from './plugins/cors.ts'
import drain from './plugins/drain.ts'
import exchange from './plugins/exchange.ts'
import finalCounters from './plugins/final-counters.ts'
import http2 from './plugins/http2.ts'
import ipFilter from './plugins/ip-filter.ts'
import jsonBody from './plugins/json-body.ts'
import jwt from './plugins/jwt.ts'
import metrics from './plugins/metrics.ts'
import openapi from './plugins/openapi.ts'
import otel from './plugins/otel.ts'
import overload from './plugins/overload.ts'
import overrides, { type Overrides } from './plugins/overrides.ts'
import problem from './plugins/problem.ts'
import rateLimit from './plugins/rate-limit.ts'
import recorder from './plugins/recorder.ts'
import redis from './plugins/redis.ts'
import scopeName from './plugins/scope.ts'
import securityHeaders from './plugins/security-headers.ts'
import strictHttp from './plugins/strict-http.ts'
import supervisorPlugin, { type Supervisor } from './plugins/supervisor.ts'
import tls from './plugins/tls.ts'
import upstreams from './plugins/upstreams.ts'
import versions from './plugins/versions.ts'
import websocket from './plugins/websocket.ts'
import { ConfigError } from './schemas/options/faults.ts'
import type { GatewayConfig } from './schemas/options/gateway.ts'
import type { IssuerOptions } from './schemas/options/jwt.ts'
import type { Routes } from './schemas/options/routes.ts'
import { serverOptions } from './server-options.ts'

/** Surroundings of a gateway that is one of several workers, or of a dry run. */
export interface Surroundings {
  /** The supervisor of a worker: it counts the limits, and gets the worker's own counts when that ends. */
  supervisor?: Supervisor
  /** Replacements for what the gateway reaches. */
  overrides?: Overrides
}

/**
 * Builds a gateway from a resolved config: a Fastify app that is ready to listen. Reads no environment and handles no
 * signals. Starts even if upstreams, issuers or Redis are down.
 *
 * @param logger default: JSON to standard output, without ever waiting for it
 * @param now epoch ms; clock of versions and of recorded exchanges
 */
export async function buildGateway(
  config: GatewayConfig,
  logger: FastifyBaseLogger | undefined = createLogger({ ...config.log, redact: config.redact }),
  now: () => number = Date.now,
  { supervisor, overrides: replacements }: Surroundings = {}
): Promise<FastifyInstance> {
  const gateway = Fastify(
    serverOptions({
      tls: config.listen.tls,
      http2: config.listen.http2,
      http: config.http,
      trustProxy: config.trustProxy,
      bodyLimit: config.bodyLimit,
      recorder: config.recorder.size > 0
    })
  )

  const routes: RouteOptions[] = []
  gateway.decorate('built', { config, routes })
  gateway.addHook('onRoute', route => void routes.push(route))
  if (replacements || now !== Date.now)
    await gateway.register(overrides, { ...replacements, ...(now !== Date.now && { now }) })
  if (supervisor) await gateway.register(supervisorPlugin, supervisor)

  if (config.openapi !== false) await gateway.register(openapi, config.openapi)

  // Only JSON bodies are parsed; forwarding routes stream everything else.
  gateway.removeContentTypeParser('text/plain')
  await gateway.register(jsonBody)

  // For every request, in the order of their hooks.
  await gateway.register(problem)
  if (config.trustProxy.length > 0) await gateway.register(clientAddress)
  await gateway.register(connectionLimits, {
    ...pick(
      config.http,
      'maxConnections',
      'maxConnectionsPerAddress',
      'maxRequestsPerSocket',
      'maxPipelinedRequests'
    ),
    trustProxy: config.trustProxy
  })
  await gateway.register(exchange, { deadline: config.deadline, trace: config.trace })
  if (config.otel)
    await gateway.register(otel, { ...config.otel, sample: config.trace.sample, redact: config.redact })
  if (config.listen.http2 !== false)
    await gateway.register(http2, pick(config.http, 'requestTimeout', 'maxHeaderSize'))
  if (logger) {
    const { level, ...options } = config.log
    await gateway.register(accessLog, { ...options, redact: config.redact, logger })
  }
  if (config.metrics) await gateway.register(metrics)
  if (config.recorder.size > 0)
    await gateway.register(recorder, { ...config.recorder, redact: config.redact })
  await gateway.register(drain, pick(config.drain, 'timeout', 'idle'))
  await gateway.register(strictHttp, pick(config.http, 'maxHeadersCount'))
  if (config.listen.tls) await gateway.register(tls, config.listen.tls)
  // For the scopes: services, token issuers and counters.
  await gateway.register(upstreams, {
    upstreams: config.upstreams,
    maxHeaderSize: config.http.maxHeaderSize
  })
  await gateway.register(websocket)
  if (config.redis) await gateway.register(redis, config.redis)

  await gateway.register(rateLimit, { tiers: config.tiers, ...config.rateLimit })
  if (supervisor) await gateway.register(finalCounters)

  for (const [name, options] of Object.entries(config.scopes))
    await registerScope(gateway, config, name, options)
  await gateway.ready()
  return gateway
}

/**
 * Registers the hooks and routes of a scope. Hook order: CORS, load shedding, IP filter, 404 and 405, address limit,
 * version, JWT, end of the version, consumer limit, routes. In a scope with versions 404 and 405 come with the version.
 */
async function registerScope(
  gateway: FastifyInstance,
  config: GatewayConfig,
  name: string,
  options: GatewayConfig['scopes'][string]
): Promise<void> {
  const { prefix, version, jwt: issuer, rateLimit: limits } = options
  const everyRequest = async (scope: FastifyInstance) => {
    await scope.register(scopeName, { name, passHeaders: options.passHeaders })
    if (options.cors) await scope.register(cors, options.cors)
    if (config.overload) await scope.register(overload, { ...config.overload, priority: options.priority })
    if (options.ipFilter) await scope.register(ipFilter, options.ipFilter)
    if (options.securityHeaders) await scope.register(securityHeaders, options.securityHeaders)
    if (options.compress) await scope.register(compress, options.compress)
  }
  const limitAddress = async (scope: FastifyInstance) => {
    if (limits.address) await scope.register(rateLimit, { by: 'address', tier: limits.address })
  }
  const authenticate = async (scope: FastifyInstance) => {
    if (issuer) await scope.register(jwt, { name: issuer, ...(config.issuers[issuer] as IssuerOptions) })
  }
  const behindConsumerLimit = (routes: Routes) => async (scope: FastifyInstance) => {
    if (limits.consumer) await scope.register(rateLimit, { by: 'consumer', tier: limits.consumer })
    try {
      await scope.register(routes)
    } catch (error) {
      throw inScope(error, name)
    }
  }

  if (options.versions) {
    const limited = Object.entries(options.versions).map(([name, one]) => [
      name,
      { ...one, routes: behindConsumerLimit(one.routes) }
    ])
    await gateway.register(versions, {
      name,
      prefix,
      versions: Object.fromEntries(limited),
      version,
      beforeVersion: async scope => {
        await everyRequest(scope)
        await limitAddress(scope)
      },
      authenticate
    })
    return
  }
  await gateway.register(
    async scope => {
      await everyRequest(scope)
      await scope.register(async inner => {
        await limitAddress(inner)
        await authenticate(inner)
        await inner.register(behindConsumerLimit(options.routes as Routes))
      })
      answerUnrouted(scope)
    },
    { prefix }
  )
}

/** Returns a copy of `object` with these members only. */
function pick<Type, Name extends keyof Type>(object: Type, ...names: Name[]): Pick<Type, Name> {
  return Object.fromEntries(names.map(name => [name, object[name]])) as Pick<Type, Name>
}

/** Adds the scope's name to an error of its routes, and the plugin to register if the app has not the method of one. */
function inScope(error: unknown, scope: string): unknown {
  if (!(error instanceof Error) || error instanceof ConfigError) return error
  const [, method] = /\.(compose|forward|grpc|transform) is not a function$/.exec(error.message) ?? []
  if (method)
    error.message += `; scope '${scope}' has not registered ${method}: await app.register(${method})`
  return Object.assign(error, { scope })
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Config and routes of a gateway. Undefined in an app of the user's own. */
    built?: { config: GatewayConfig; routes: readonly RouteOptions[] }
  }
}
