import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
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
  fastify.onExchangeBegin((request, reply) => {
    request.log = reply.log = new RequestLogger(logger, request) as unknown as FastifyBaseLogger
  })

  const addMembers = createMembers()
  const addSampled = createMembers(sample)

  fastify.onExchangeEnd(exchange => {
    // Of a line that nobody would see nothing is made.
    if ((logger.levelVal ?? INFO) > INFO) return
    if (sample === 1 || exchange.isFailed || exchange.elapsed >= slow) write(exchange.ended, addMembers)
    else if (Math.random() < sample) write(exchange.ended, addSampled)
  })

  function write(ended: Ended, add: AddMembers<Ended>): void {
    if (logger.line) logger.line(ended, add)
    else logger.info(membersOf(ended, add))
  }
}

const INFO = 30

/** What a line says of an exchange; of one that was drawn, also the share that is. */
export function createMembers(sample?: number): AddMembers<Ended> {
  const share = sample === undefined ? '' : `,"sample":${sample}`
  const whole = `${share},"msg":"exchange"`
  const short = `${share},"msg":"exchange cut short"`

  return function addMembers(ended, parts) {
    parts.push(ended.outcome.members)
    parts.push(',"reqId":"')
    parts.push(ended.id)
    parts.push('","trace":"')
    parts.push(ended.traceparent.slice(3, 35))
    if (ended.consumer !== undefined) {
      parts.push('","consumer":"')
      parts.push(escape(ended.consumer))
    }
    if (ended.bytesIn < 0) parts.push('"')
    else {
      parts.push('","in":')
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
    if (ended.cut === undefined) parts.push(whole)
    else {
      parts.push(',"cut":"')
      parts.push(escape(ended.cut))
      parts.push('"')
      parts.push(short)
    }
  }
}

export default fp(accessLog, { name: 'sluice-access-log', fastify: '5.x', dependencies: ['sluice-exchange'] })

function membersOf(ended: Ended, addMembers: AddMembers<Ended>): object {
  const parts = new Parts(0)
  addMembers(ended, parts)
  return JSON.parse(`{${parts}}`)
}

/** As it is within a string of JSON. Without a call of what is native, for what needs no escape. */
function escape(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 32 || code > 126 || code === QUOTE || code === BACKSLASH || i === PLAIN)
      return JSON.stringify(text).slice(1, -1)
  }
  return text
}

/** Characters that are looked at one by one, at most. */
const PLAIN = 64
const QUOTE = 34
const BACKSLASH = 92

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
