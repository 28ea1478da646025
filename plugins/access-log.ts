import type { FastifyBaseLogger, FastifyContextConfig, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Exchange } from './exchange.ts'
import { type GatewayLogger, RequestLogger } from './log.ts'
import type { ProblemError } from './problem.ts'

/**
 * The log of a gateway: `fastify.log` and `request.log` are `logger`'s, and each exchange has one line, after its end;
 * if `sample` is less than 1, that share of them, and every one that failed or took `slow` ms. Never the path, whose parts
 * may be secrets.
 *
 * The line is put together here, and handed to the logger as text.
 */
export interface AccessLogOptions {
  logger: GatewayLogger
  sample: number
  slow: number
}

async function accessLog(fastify: FastifyInstance, { logger, sample, slow }: AccessLogOptions) {
  // Not by Fastify's `loggerInstance`: it then listens to each answer's end, and checks the methods of each request's
  // logger, which together cost more than the line.
  fastify.log = logger
  fastify.decorate('lostLines', () => logger.lost?.() ?? 0)
  // Fastify does not say them of a request's route.
  fastify.addHook('onRoute', route => {
    const { logSerializers } = route
    if (logSerializers) route.config = { ...route.config, logSerializers }
  })
  fastify.addHook('onRequest', (request, reply, done) => {
    request.log = reply.log = new RequestLogger(logger, request) as unknown as FastifyBaseLogger
    done()
  })

  const write = logger.line ?? (members => logger.info(JSON.parse(`{${members}}`)))
  const { isLevelEnabled } = logger as { isLevelEnabled?(level: string): boolean }
  const routes = new Map<FastifyContextConfig, string>()
  const share = sample === 1 ? '' : `,"sample":${sample}`

  fastify.onExchangeEnd(exchange => {
    if (isLevelEnabled?.call(logger, 'info') === false) return
    if (exchange.isFailed || exchange.elapsed >= slow) write(describe(exchange))
    else if (sample === 1 || Math.random() < sample) write(describe(exchange) + share)
  })

  function describe(exchange: Exchange): string {
    const { config, reply, elapsed, reason, upstream, endpoint, attempts, decision, tier, cache } = exchange
    const { request } = reply
    exchange.countBytes()
    let route = routes.get(config)
    if (route === undefined) routes.set(config, (route = describeRoute(exchange)))
    let line = `"reqId":"${request.id}","trace":"${exchange.traceId}","method":"${request.method}"${route},"status":${reply.statusCode}`
    if (exchange.grpcStatus !== undefined) line += `,"grpc":${exchange.grpcStatus}`
    if (request.user) line += `,"consumer":${JSON.stringify(request.user.sub)}`
    if (decision !== undefined) line += `,"tier":"${tier}","limit":"${decision}"`
    if (upstream !== undefined) {
      line += `,"upstream":"${upstream}"`
      if (endpoint !== undefined) line += `,"endpoint":${JSON.stringify(endpoint)}`
      line += `,"attempts":${attempts}`
    }
    if (cache !== undefined) line += `,"cache":"${cache}"`
    if (exchange.bytesIn !== undefined) line += `,"in":${exchange.bytesIn},"out":${exchange.bytesOut}`
    line += `,"ms":${fixed(elapsed)}`
    const { startedAt, calledAt, answeredAt, endedAt } = exchange
    if (calledAt > 0) {
      line += `,"admit":${fixed(calledAt - startedAt)},"wait":${fixed((answeredAt || endedAt) - calledAt)}`
      if (answeredAt > 0) line += `,"send":${fixed(endedAt - answeredAt)}`
    }
    if (exchange.isWhole) return `${line},"msg":"exchange"`
    const code = (reason as ProblemError | undefined)?.code
    return `${line},"cut":${JSON.stringify(code ?? 'unknown')},"msg":"exchange cut short"`
  }
}

export default fp(accessLog, { name: 'sluice-access-log', fastify: '5.x', dependencies: ['sluice-exchange'] })

/** The config's own words, so once a route. Where no route was found there is none. */
function describeRoute({ route, config }: Exchange): string {
  const members = [
    ['route', route],
    ['scope', config.scope],
    ['version', config.version]
  ]
  return members
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `,"${name}":${JSON.stringify(value)}`)
    .join('')
}

const THOUSANDTHS = Array.from({ length: 1_000 }, (_, i) => `.${String(i).padStart(3, '0')}`)

/** Milliseconds to the microsecond, without printing a double. */
function fixed(ms: number): string {
  const us = Math.round(ms * 1_000)
  const whole = Math.floor(us / 1_000)
  return whole + (THOUSANDTHS[us - whole * 1_000] as string)
}

declare module 'fastify' {
  interface FastifyInstance {
    /** How many lines the log's destination has not taken, since the start. */
    lostLines?(): number
  }
  interface FastifyContextConfig {
    /** The route's own option. */
    logSerializers?: Record<string, (value: any) => unknown>
  }
}
