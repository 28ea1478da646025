import type { FastifyBaseLogger, FastifyContextConfig, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Ended } from './ended.ts'
import { type AddMembers, type GatewayLogger, Parts, RequestLogger } from './log.ts'

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

  const addMembers = createMembers()
  const share = `,"sample":${sample}`
  const addSampled: AddMembers<Ended> = (ended, parts) => {
    addMembers(ended, parts)
    parts.push(share)
  }

  const { isLevelEnabled } = logger as { isLevelEnabled?(level: string): boolean }
  fastify.onExchangeEnd(exchange => {
    if (isLevelEnabled?.call(logger, 'info') === false) return
    if (sample === 1 || exchange.isFailed || exchange.elapsed >= slow) write(exchange.ended, addMembers)
    else if (Math.random() < sample) write(exchange.ended, addSampled)
  })

  function write(ended: Ended, add: AddMembers<Ended>): void {
    if (logger.line) logger.line(ended, add)
    else logger.info(membersOf(ended, add))
  }
}

/** What a line says of an exchange. */
export function createMembers(): AddMembers<Ended> {
  const routes = new Map<FastifyContextConfig, RouteTexts>()

  return function addMembers(ended, parts) {
    let route = routes.get(ended.config)
    if (route === undefined) routes.set(ended.config, (route = new RouteTexts(ended)))
    parts.push('"reqId":"')
    parts.push(ended.id)
    parts.push('","trace":"')
    parts.push(ended.traceparent.slice(3, 35))
    parts.push(route.textOf(ended))
    if (ended.consumer !== undefined) {
      parts.push(',"consumer":')
      parts.push(JSON.stringify(ended.consumer))
    }
    if (ended.bytesIn >= 0) {
      parts.push(',"in":')
      parts.push(ended.bytesIn)
      parts.push(',"out":')
      parts.push(ended.bytesOut)
    }
    addMilliseconds(parts, MS, ended.elapsed)
    if (ended.admit >= 0) {
      addMilliseconds(parts, ADMIT, ended.admit)
      addMilliseconds(parts, WAIT, ended.wait)
    }
    if (ended.send >= 0) addMilliseconds(parts, SEND, ended.send)
    if (ended.cut === undefined) parts.push(',"msg":"exchange"')
    else {
      parts.push(',"cut":')
      parts.push(JSON.stringify(ended.cut))
      parts.push(',"msg":"exchange cut short"')
    }
  }
}

/** What the lines of a route say again and again, as text: its name, and how it went, in a few variants. */
class RouteTexts {
  #route: string
  #variants: Variant[] = []

  /** The config's own words; where no route was found there is none. */
  constructor({ route, config }: Ended) {
    const members = { route, scope: config.scope, version: config.version }
    this.#route = Object.entries(members)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `,"${name}":${JSON.stringify(value)}`)
      .join('')
  }

  textOf(ended: Ended): string {
    for (const variant of this.#variants) if (variant.isOf(ended)) return variant.text
    const variant = new Variant(ended, this.#route)
    if (this.#variants.push(variant) > VARIANTS) this.#variants.shift()
    return variant.text
  }
}

class Variant {
  readonly text: string
  #method: string
  #status: number
  #grpcStatus: number | undefined
  #tier: string | undefined
  #decision: string | undefined
  #upstream: string | undefined
  #endpoint: string | undefined
  #attempts: number
  #cache: string | undefined

  constructor(ended: Ended, route: string) {
    this.#method = ended.method
    this.#status = ended.status
    this.#grpcStatus = ended.grpcStatus
    this.#tier = ended.tier
    this.#decision = ended.decision
    this.#upstream = ended.upstream
    this.#endpoint = ended.endpoint
    this.#attempts = ended.attempts
    this.#cache = ended.cache
    // Joined, since what is added up is walked through again by each line.
    const parts = new Parts()
    parts.push(`","method":"${ended.method}"${route},"status":${ended.status}`)
    if (ended.grpcStatus !== undefined) parts.push(`,"grpc":${ended.grpcStatus}`)
    if (ended.decision !== undefined) parts.push(`,"tier":"${ended.tier}","limit":"${ended.decision}"`)
    if (ended.upstream !== undefined) {
      parts.push(`,"upstream":"${ended.upstream}"`)
      if (ended.endpoint !== undefined) parts.push(`,"endpoint":${JSON.stringify(ended.endpoint)}`)
      parts.push(`,"attempts":${ended.attempts}`)
    }
    if (ended.cache !== undefined) parts.push(`,"cache":"${ended.cache}"`)
    this.text = parts.take()
  }

  isOf(ended: Ended): boolean {
    return (
      this.#status === ended.status &&
      this.#endpoint === ended.endpoint &&
      this.#attempts === ended.attempts &&
      this.#method === ended.method &&
      this.#decision === ended.decision &&
      this.#tier === ended.tier &&
      this.#cache === ended.cache &&
      this.#upstream === ended.upstream &&
      this.#grpcStatus === ended.grpcStatus
    )
  }
}

/** Texts of a route that are kept; a line of one that is not makes it anew. */
const VARIANTS = 8

export default fp(accessLog, { name: 'sluice-access-log', fastify: '5.x', dependencies: ['sluice-exchange'] })

function membersOf(ended: Ended, addMembers: AddMembers<Ended>): object {
  const parts = new Parts()
  parts.push('{')
  addMembers(ended, parts)
  parts.push('}')
  return JSON.parse(parts.take())
}

const THOUSANDTHS = Array.from({ length: 1_000 }, (_, i) => `.${String(i).padStart(3, '0')}`)
const [MS, ADMIT, WAIT, SEND] = ['ms', 'admit', 'wait', 'send'].map(name =>
  Array.from({ length: 256 }, (_, i) => `,"${name}":${i}`)
) as [string[], string[], string[], string[]]

/** To the microsecond, without printing a double. `wholes`: a member up to its point, by whole milliseconds. */
function addMilliseconds(parts: Parts, wholes: string[], us: number): void {
  const whole = Math.floor(us / 1_000)
  if (whole < wholes.length) parts.push(wholes[whole] as string)
  else {
    parts.push((wholes[0] as string).slice(0, -1))
    parts.push(whole)
  }
  parts.push(THOUSANDTHS[us - whole * 1_000] as string)
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
