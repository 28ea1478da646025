import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import pino from 'pino'
import type { Redactor } from './redact/index.ts'

/** pino, by the page: with lines that are put together when they are written, and how many were lost since the start. */
export interface GatewayLogger extends FastifyBaseLogger {
  line?(line: Line): void
  lost?(): number
}

/** At level info. */
export interface Line {
  /** Epoch milliseconds. */
  readonly time: number
  /** As JSON without braces. */
  members(): string
}

/**
 * Logs to a file descriptor or a path, in the background: lines are written by the page or after `FLUSH` ms, and lost
 * rather than waited for once `BACKLOG` bytes wait already; the next one that is written says how many. Undefined if
 * nothing is to be logged: Fastify then does without what a line would need. `redactor` for what plugins log as
 * `headers` and `url`. `atOnce`: bytes of a write at most, where others write to the same place; a line that is longer
 * is written all the same.
 */
export function createLogger(
  level: string,
  dest: string | number = 1,
  redactor?: Redactor,
  atOnce = BACKLOG
): GatewayLogger | undefined {
  if (level === 'silent') return undefined
  let page = Buffer.alloc(0)
  // Of the page, what is written and not yet handed on.
  let start = 0
  let end = 0
  let timer: NodeJS.Timeout | undefined
  let waiting: Line[] = []
  // Before pino's own listener, which then writes what waits in the destination.
  process.once('exit', flush)
  // A page a write: it would join those that wait.
  const destination = pino.destination({
    dest,
    sync: false,
    maxLength: BACKLOG,
    maxWrite: 1,
    contentMode: 'buffer'
  })
  // A full disk, a terminal that has gone: lines wait and are lost, nothing else. Its flushSync would try for ever.
  const { flushSync } = destination
  destination.on('error', () => {
    destination.flushSync = () => {}
  })
  destination.on('write', () => {
    destination.flushSync = flushSync
  })
  const pages = {
    write(text: string) {
      writeLines()
      write(text)
    },
    flushSync() {
      flush()
      destination.flushSync()
    }
  }
  const serializers = {
    req: describeRequest,
    res: describeReply,
    ...(redactor && {
      headers: (headers: unknown) => describeHeaders(headers, redactor),
      url: (url: unknown) => (typeof url === 'string' ? redactor.url(url) : url)
    })
  }
  const logger = pino({ level, serializers }, pages)
  const tail = `,"pid":${process.pid},"hostname":${JSON.stringify(hostname())},`
  let dropped = 0
  let lost = 0
  destination.on('drop', (bytes: Buffer) => {
    const lines = bytes.toString('latin1').split('\n').length - 1
    dropped += lines
    lost += lines
  })
  destination.on('drain', () => {
    if (dropped === 0) return
    logger.warn({ dropped }, 'lines were lost')
    dropped = 0
  })
  return Object.assign(logger, {
    // By the batch: what puts a line together is then in the processor's caches, from which a request, which runs
    // through half of a megabyte of other code, has washed it away.
    line(line: Line) {
      if (waiting.push(line) === BATCH) writeLines()
      else timer ??= setTimeout(flush, FLUSH).unref()
    },
    lost: () => lost
  })

  function writeLines(): void {
    if (waiting.length === 0) return
    const lines = waiting
    waiting = []
    for (const line of lines) write(`{"level":30,"time":${line.time}${tail}${line.members()}}\n`)
  }

  // Encoded here: sonic-boom would measure a page and node encode it, which costs more than to put it together.
  function write(text: string): void {
    const most = text.length * 3
    if (most > page.length - end) {
      turn()
      page = Buffer.allocUnsafeSlow(Math.max(most, PAGE))
      start = end = 0
    }
    const size = page.write(text, end)
    if (end + size - start > atOnce) turn()
    end += size
    timer ??= setTimeout(flush, FLUSH).unref()
  }

  function flush(): void {
    writeLines()
    turn()
  }

  function turn(): void {
    clearTimeout(timer)
    timer = undefined
    if (end > start) destination.write(page.subarray(start, end) as unknown as string)
    start = end
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

/** Lines. */
const BATCH = 32
/** Bytes. */
const PAGE = 65_536
const BACKLOG = 4_194_304
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
    const { logLevel, config } = routeOptions
    this.#child ??= this.#parent.child(
      { reqId: id },
      {
        ...(logLevel && { level: logLevel }),
        ...(config.logSerializers && { serializers: config.logSerializers })
      }
    )
    return this.#child
  }
}

type Arguments = Parameters<FastifyBaseLogger['info']>
