import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import pino from 'pino'
import { type Octets, writeThreeDigits } from './byte-buffer.ts'
import { describeError } from './log-error.ts'
import { Pages } from './log-writer.ts'
import type { Redactor } from './redact/redactor.ts'

/** pino, by the page: with lines that are put together when they are written, and how many were lost since the start. */
export interface GatewayLogger extends FastifyBaseLogger {
  /** pino's number of its level. */
  readonly levelVal?: number
  /** At level info. */
  line?<T extends Timed>(of: T, addMembers: AddMembers<T>): void
  lost?(): number
  /** Masks a path with its query. `route`: the pattern, whose parameters may be secrets. */
  describeUrl?(url: unknown, route?: string): unknown
}

/** What a line is of. */
export interface Timed {
  /** Epoch milliseconds. */
  readonly time: number
}

/** Adds them to a line: JSON without braces. */
export type AddMembers<T extends Timed> = (of: T, line: Octets) => void

/**
 * Logs to a file descriptor or a path, in the background, or loses lines rather than wait (see pages.ts); the next one that
 * is written says how many. Undefined if nothing is to be logged: Fastify then does without what a line would need.
 * `redactor` for what plugins log as `headers` and `url`. `atOnce`: bytes of a write at most, where others write to the same
 * place.
 */
export function createLogger(
  level: string,
  to: string | number = 1,
  redactor?: Redactor,
  atOnce?: number
): GatewayLogger | undefined {
  if (level === 'silent') return undefined
  let timer: NodeJS.Timeout | undefined
  let waiting: Timed[] = []
  let adders: AddMembers<never>[] = []
  const pages = new Pages(to, atOnce, dropped => logger.warn({ dropped }, 'lines were lost'))
  const stream = {
    write(text: string) {
      writeLines()
      pages.text(text)
      pages.endLine()
      if (timer === undefined) timer = setTimeout(flush, FLUSH).unref()
    },
    flushSync() {
      writeLines()
      pages.flushSync()
    }
  }
  process.once('exit', stream.flushSync)
  const describeUrl = (url: unknown, route?: string) =>
    typeof url === 'string' && redactor ? redactor.url(url, route) : url
  const serializers = {
    req: describeRequest,
    res: describeReply,
    err: (error: unknown) => describeError(error, redactor),
    ...(redactor && {
      headers: (headers: unknown) => describeHeaders(headers, redactor),
      url: (url: unknown) => describeUrl(url)
    })
  }
  const logger = pino({ level, serializers }, stream)
  const lead = `{"level":30,"pid":${process.pid},"hostname":${JSON.stringify(hostname())},"time":`
  let second = Number.NaN
  let leadOfSecond: Uint8Array = Buffer.alloc(0)
  return Object.assign(logger, {
    // Those of one turn of the event loop together: what puts a line together is then in the processor's caches, from
    // which a request, which runs through half of a megabyte of other code, has washed it away. No longer than that: what
    // they are of would be moved by the collector.
    line<T extends Timed>(of: T, addMembers: AddMembers<T>) {
      adders.push(addMembers)
      if (waiting.push(of) === 1) setImmediate(writeLines)
    },
    lost: () => pages.lost,
    describeUrl
  })

  function writeLines(): void {
    if (waiting.length === 0) return
    const lines = waiting
    const addMembers = adders
    waiting = []
    adders = []
    if (!logger.isLevelEnabled('info')) return
    for (let i = 0; i < lines.length; i++) {
      const of = lines[i] as Timed
      const itsSecond = Math.floor(of.time / 1_000)
      if (itsSecond !== second) {
        second = itsSecond
        leadOfSecond = Buffer.from(`${lead}${second}000,`)
      }
      pages.copy(leadOfSecond)
      writeThreeDigits(pages.bytes, pages.end - 1, of.time - second * 1_000)
      ;(addMembers[i] as AddMembers<Timed>)(of, pages)
      pages.ascii('}\n')
      pages.endLine()
    }
    if (timer === undefined) timer = setTimeout(flush, FLUSH).unref()
  }

  function flush(): void {
    writeLines()
    timer = undefined
    pages.flush()
  }
}

function describeRequest({ method, routeOptions }: FastifyRequest): object {
  return { method, route: routeOptions?.url }
}

function describeReply({ statusCode }: FastifyReply): object {
  return { statusCode }
}

function describeHeaders(headers: unknown, redactor: Redactor): unknown {
  if (typeof headers !== 'object' || headers === null) return headers
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, redactor.header(name, String(value))])
  )
}

/** Milliseconds. */
const FLUSH = 200

/** Makes ids that nobody else makes: a client's, if it is one, or random for the process and counted from there. */
export function createRequestIds(): (request: { headers: NodeJS.Dict<string | string[]> }) => string {
  const prefix = `${randomUUID().slice(0, 18)}-`
  let count = 0
  return ({ headers }) => {
    const id = headers['x-request-id']
    return typeof id === 'string' && /^[\w.:-]{1,128}$/.test(id)
      ? id
      : prefix + (count++).toString(36).padStart(8, '0')
  }
}

/**
 * A request's logger that becomes one when it is used: most requests log nothing but their line, and a pino child costs
 * as much as that.
 */
export class RequestLogger {
  #parent: FastifyBaseLogger
  #request: FastifyRequest
  #child: FastifyBaseLogger | undefined

  constructor(parent: FastifyBaseLogger, request: FastifyRequest) {
    this.#parent = parent
    this.#request = request
  }

  get level(): string {
    return this.#real().level
  }

  set level(level: string) {
    this.#real().level = level
  }

  fatal(...args: Arguments): void {
    this.#log('fatal', args)
  }
  error(...args: Arguments): void {
    this.#log('error', args)
  }
  warn(...args: Arguments): void {
    this.#log('warn', args)
  }
  info(...args: Arguments): void {
    this.#log('info', args)
  }
  debug(...args: Arguments): void {
    this.#log('debug', args)
  }
  trace(...args: Arguments): void {
    this.#log('trace', args)
  }
  silent(): void {}
  child(...args: Parameters<FastifyBaseLogger['child']>): FastifyBaseLogger {
    return this.#real().child(...args)
  }

  #log(level: pino.Level, args: Arguments): void {
    if (
      this.#child === undefined &&
      !this.#request.routeOptions.logLevel &&
      (this.#parent as Partial<pino.Logger>).isLevelEnabled?.(level) === false
    )
      return
    this.#real()[level](...args)
  }

  #real(): FastifyBaseLogger {
    const { id, routeOptions } = this.#request
    if (this.#child !== undefined) return this.#child
    const { logLevel, config, url: route } = routeOptions
    const { describeUrl } = this.#parent as GatewayLogger
    // The prototype has the serializers of the route's plugins.
    const serializers = Object.create(config.logSerializers ?? null)
    if (describeUrl && !('url' in serializers)) serializers.url = (url: unknown) => describeUrl(url, route)
    this.#child = this.#parent.child({ reqId: id }, { ...(logLevel && { level: logLevel }), serializers })
    return this.#child
  }
}

type Arguments = Parameters<FastifyBaseLogger['info']>
