import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Octets, writeNumber, writeThreeDigits } from '../observe/byte-buffer.ts'
import type { Ended } from '../observe/exchange-record.ts'
import { type AddMembers, type GatewayLogger, RequestLogger } from '../observe/logger.ts'

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
  return function addMembers(ended, line) {
    const shape = shapeOf(ended) + (sample === undefined ? 0 : SAMPLED)
    const { lines } = ended.outcome
    lines[shape] ??= new Line(ended, shape, sample)
    lines[shape].write(ended, line)
  }
}

/**
 * What the lines of an outcome have in common, with blanks for the rest: to write one takes a copy, and its figures, which
 * end where the blanks do. A blank is wider than most of them; JSON has white space there.
 */
export class Line {
  #octets: Uint8Array
  /** Where the trace begins, and where the blanks end; 0 for none. */
  #trace: number
  #bytesIn: number
  #bytesOut: number
  #elapsed: number
  #admit: number
  #wait: number
  #send: number

  constructor({ outcome }: Ended, shape: number, sample: number | undefined) {
    const blank = ' '.repeat(shape & WIDE ? 16 : 7)
    let text = `${outcome.describe()},"trace":"`
    this.#trace = Buffer.byteLength(text)
    text += `${'0'.repeat(32)}"`
    const add = (name: string): number => {
      text += `,"${name}":${blank}`
      return Buffer.byteLength(text)
    }
    this.#bytesIn = shape & COUNTED ? add('in') : 0
    this.#bytesOut = shape & COUNTED ? add('out') : 0
    this.#elapsed = add('ms')
    this.#admit = shape & CALLED ? add('admit') : 0
    this.#wait = shape & CALLED ? add('wait') : 0
    this.#send = shape & ANSWERED ? add('send') : 0
    if (sample !== undefined) text += `,"sample":${sample}`
    text += `,"msg":"exchange${shape & CUT ? ' cut short' : ''}","reqId":"`
    this.#octets = Buffer.from(text)
  }

  write(ended: Ended, line: Octets): void {
    line.copy(this.#octets)
    const { bytes } = line
    const start = line.end - this.#octets.length
    const { traceparent } = ended
    for (let i = 0; i < 32; i++) bytes[start + this.#trace + i] = traceparent.charCodeAt(3 + i)
    if (this.#bytesIn > 0) {
      writeNumber(bytes, start + this.#bytesIn, ended.bytesIn)
      writeNumber(bytes, start + this.#bytesOut, ended.bytesOut)
    }
    writeMilliseconds(bytes, start + this.#elapsed, ended.elapsed)
    if (this.#admit > 0) {
      writeMilliseconds(bytes, start + this.#admit, ended.admit)
      writeMilliseconds(bytes, start + this.#wait, ended.wait)
    }
    if (this.#send > 0) writeMilliseconds(bytes, start + this.#send, ended.send)
    line.ascii(ended.id)
    if (ended.consumer !== undefined) {
      line.ascii('","consumer":"')
      addEscaped(line, ended.consumer)
    }
    if (ended.cut !== undefined) {
      line.ascii('","cut":"')
      addEscaped(line, ended.cut)
    }
    line.ascii('"')
  }
}

/** Which members a line has, and whether the figures are too long for narrow blanks. */
function shapeOf({ bytesIn, bytesOut, elapsed, admit, send, cut }: Ended): number {
  return (
    (bytesIn >= 0 ? COUNTED : 0) |
    (admit >= 0 ? CALLED : 0) |
    (send >= 0 ? ANSWERED : 0) |
    (cut === undefined ? 0 : CUT) |
    (elapsed < 1e6 && bytesIn < 1e7 && bytesOut < 1e7 ? 0 : WIDE)
  )
}

const COUNTED = 1
const CALLED = 2
const ANSWERED = 4
const CUT = 8
const WIDE = 16
const SAMPLED = 32

export default fp(accessLog, { name: 'sluice-access-log', fastify: '5.x', dependencies: ['sluice-exchange'] })

function membersOf(ended: Ended, addMembers: AddMembers<Ended>): object {
  const octets = new Octets(Buffer.allocUnsafe(1_024))
  addMembers(ended, octets)
  return JSON.parse(`{${octets}}`)
}

/** As it is within a string of JSON. Without a call of what is native, for what needs no escape. */
function addEscaped(line: Octets, text: string): void {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 32 || code > 126 || code === QUOTE || code === BACKSLASH || i === PLAIN) {
      line.text(JSON.stringify(text).slice(1, -1))
      return
    }
  }
  line.ascii(text)
}

/** Characters that are looked at one by one, at most. */
const PLAIN = 64
const QUOTE = 34
const BACKSLASH = 92

/** To the microsecond. */
function writeMilliseconds(bytes: Uint8Array, end: number, us: number): void {
  const whole = Math.floor(us / 1_000)
  writeThreeDigits(bytes, end, us - whole * 1_000)
  bytes[end - 4] = POINT
  writeNumber(bytes, end - 4, whole)
}

const POINT = 46

declare module 'fastify' {
  interface FastifyInstance {
    /** How many lines the log's destination has not taken, since the start. */
    lostLines?(): number
  }
  interface FastifyContextConfig {
    /** The route's own option. */
    // biome-ignore lint/suspicious/noExplicitAny: as Fastify types it
    logSerializers?: Record<string, (value: any) => unknown>
  }
}
