import type { FastifyBaseLogger, FastifyContextConfig, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Exchange } from './exchange.ts'
import { type GatewayLogger, type Line, RequestLogger } from './log.ts'
import type { ProblemError } from './problem.ts'

/**
 * The log of a gateway: `fastify.log` and `request.log` are `logger`'s, and each exchange has one line, after its end;
 * if `sample` is less than 1, that share of them, and every one that failed or took `slow` ms. Never the path, whose parts
 * may be secrets.
 *
 * The line is put together when it is written: see log.ts.
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

  const write = logger.line ?? (line => logger.info(JSON.parse(`{${line.members()}}`)))
  const { isLevelEnabled } = logger as { isLevelEnabled?(level: string): boolean }
  const routes = new Map<FastifyContextConfig, string>()
  const share = sample === 1 ? '' : `,"sample":${sample}`

  fastify.onExchangeEnd(exchange => {
    if (isLevelEnabled?.call(logger, 'info') === false) return
    const isKept = exchange.isFailed || exchange.elapsed >= slow
    if (!isKept && sample !== 1 && Math.random() >= sample) return
    let route = routes.get(exchange.config)
    if (route === undefined) routes.set(exchange.config, (route = describeRoute(exchange)))
    write(new ExchangeLine(exchange, route, isKept ? '' : share))
  })
}

/** What of an exchange its line needs, and no more: the rest goes as soon as it has ended. */
export class ExchangeLine implements Line {
  readonly time = Date.now()
  #id: string
  #traceparent: string
  #method: string
  #route: string
  #share: string
  #status: number
  #grpcStatus: number | undefined
  #consumer: string | undefined
  #decision: string | undefined
  #tier: string | undefined
  #upstream: string | undefined
  #endpoint: string | undefined
  #attempts: number
  #cache: string | undefined
  #in: number
  #out: number
  /** Microseconds, -1 for a stage that it has not come to. */
  #elapsed: number
  #admit = -1
  #wait = -1
  #send = -1
  #cut: string | undefined

  constructor(exchange: Exchange, route: string, share: string) {
    const { reply, startedAt, calledAt, answeredAt, endedAt } = exchange
    const { request } = reply
    exchange.countBytes()
    this.#id = request.id
    this.#traceparent = exchange.traceparent
    this.#method = request.method
    this.#route = route
    this.#share = share
    this.#status = reply.statusCode
    this.#grpcStatus = exchange.grpcStatus
    this.#consumer = request.user?.sub
    this.#decision = exchange.decision
    this.#tier = exchange.tier
    this.#upstream = exchange.upstream
    this.#endpoint = exchange.endpoint
    this.#attempts = exchange.attempts
    this.#cache = exchange.cache
    this.#in = exchange.bytesIn ?? -1
    this.#out = exchange.bytesOut ?? -1
    this.#elapsed = toMicroseconds(exchange.elapsed)
    if (calledAt > 0) {
      this.#admit = toMicroseconds(calledAt - startedAt)
      this.#wait = toMicroseconds((answeredAt || endedAt) - calledAt)
      if (answeredAt > 0) this.#send = toMicroseconds(endedAt - answeredAt)
    }
    this.#cut = exchange.isWhole
      ? undefined
      : ((exchange.reason as ProblemError | undefined)?.code ?? 'unknown')
  }

  members(): string {
    let line = `"reqId":"${this.#id}","trace":"${this.#traceparent.slice(3, 35)}","method":"${this.#method}"${this.#route},"status":${this.#status}`
    if (this.#grpcStatus !== undefined) line += `,"grpc":${this.#grpcStatus}`
    if (this.#consumer !== undefined) line += `,"consumer":${JSON.stringify(this.#consumer)}`
    if (this.#decision !== undefined) line += `,"tier":"${this.#tier}","limit":"${this.#decision}"`
    if (this.#upstream !== undefined) {
      line += `,"upstream":"${this.#upstream}"`
      if (this.#endpoint !== undefined) line += `,"endpoint":${JSON.stringify(this.#endpoint)}`
      line += `,"attempts":${this.#attempts}`
    }
    if (this.#cache !== undefined) line += `,"cache":"${this.#cache}"`
    if (this.#in >= 0) line += `,"in":${this.#in},"out":${this.#out}`
    line += `,"ms":${inMilliseconds(this.#elapsed)}`
    if (this.#admit >= 0)
      line += `,"admit":${inMilliseconds(this.#admit)},"wait":${inMilliseconds(this.#wait)}`
    if (this.#send >= 0) line += `,"send":${inMilliseconds(this.#send)}`
    line +=
      this.#cut === undefined
        ? ',"msg":"exchange"'
        : `,"cut":${JSON.stringify(this.#cut)},"msg":"exchange cut short"`
    return line + this.#share
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

function toMicroseconds(ms: number): number {
  return Math.round(ms * 1_000)
}

/** To the microsecond, without printing a double. */
function inMilliseconds(us: number): string {
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
