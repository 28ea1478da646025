import type { FastifyBaseLogger, FastifyContextConfig, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Ended } from './ended.ts'
import type { Exchange } from './exchange.ts'
import { type GatewayLogger, type Line, type Part, RequestLogger } from './log.ts'

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

  const write = logger.line ?? (line => logger.info(membersOf(line)))
  const { isLevelEnabled } = logger as { isLevelEnabled?(level: string): boolean }
  const routes = new Map<FastifyContextConfig, string>()
  const share = sample === 1 ? '' : `,"sample":${sample}`

  fastify.onExchangeEnd(exchange => {
    if (isLevelEnabled?.call(logger, 'info') === false) return
    const isKept = sample === 1 || exchange.isFailed || exchange.elapsed >= slow
    if (!isKept && Math.random() >= sample) return
    let route = routes.get(exchange.config)
    if (route === undefined) routes.set(exchange.config, (route = describeRoute(exchange)))
    write(new ExchangeLine(exchange.ended, route, isKept ? '' : share))
  })
}

export class ExchangeLine implements Line {
  readonly time: number
  #ended: Ended
  #route: string
  #share: string

  /** `route` and `share`: members that are text already. */
  constructor(ended: Ended, route: string, share: string) {
    this.time = ended.time
    this.#ended = ended
    this.#route = route
    this.#share = share
  }

  addMembers(parts: Part[]): void {
    const ended = this.#ended
    parts.push('"reqId":"', ended.id, '","trace":"', ended.traceparent.slice(3, 35))
    parts.push('","method":"', ended.method, '"', this.#route, ',"status":', ended.status)
    if (ended.grpcStatus !== undefined) parts.push(',"grpc":', ended.grpcStatus)
    if (ended.consumer !== undefined) parts.push(',"consumer":', JSON.stringify(ended.consumer))
    if (ended.decision !== undefined)
      parts.push(',"tier":"', ended.tier as string, '","limit":"', ended.decision, '"')
    if (ended.upstream !== undefined) {
      parts.push(',"upstream":"', ended.upstream, '"')
      if (ended.endpoint !== undefined) parts.push(',"endpoint":', JSON.stringify(ended.endpoint))
      parts.push(',"attempts":', ended.attempts)
    }
    if (ended.cache !== undefined) parts.push(',"cache":"', ended.cache, '"')
    if (ended.bytesIn >= 0) parts.push(',"in":', ended.bytesIn, ',"out":', ended.bytesOut)
    addMilliseconds(parts, ',"ms":', ended.elapsed)
    if (ended.admit >= 0) {
      addMilliseconds(parts, ',"admit":', ended.admit)
      addMilliseconds(parts, ',"wait":', ended.wait)
    }
    if (ended.send >= 0) addMilliseconds(parts, ',"send":', ended.send)
    if (ended.cut === undefined) parts.push(',"msg":"exchange"', this.#share)
    else parts.push(',"cut":', JSON.stringify(ended.cut), ',"msg":"exchange cut short"', this.#share)
  }
}

export default fp(accessLog, { name: 'sluice-access-log', fastify: '5.x', dependencies: ['sluice-exchange'] })

function membersOf(line: Line): object {
  const parts: Part[] = ['{']
  line.addMembers(parts)
  return JSON.parse(`${parts.join('')}}`)
}

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

/** To the microsecond, without printing a double. */
function addMilliseconds(parts: Part[], name: string, us: number): void {
  const whole = Math.floor(us / 1_000)
  parts.push(name, whole, THOUSANDTHS[us - whole * 1_000] as string)
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
