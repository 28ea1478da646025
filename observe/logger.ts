import { hostname } from 'node:os'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import pino from 'pino'
import type { RedactOptions } from '../schemas/options/log.ts'
import { describeError } from './log-error.ts'
import { LogWriter } from './log-writer.ts'
import { prettyEntries } from './pretty-entry.ts'
import { createRedactor, type Redactor } from './redact/redactor.ts'

export interface LoggerOptions {
  level: string
  /** File descriptor or path. Default: standard output. */
  destination?: number | string
  /** Secrets to mask in `headers`, `url` and errors, in addition to the built-in names. */
  redact?: RedactOptions
  /** Bytes of one write, where others write to the same pipe. */
  maxWrite?: number | undefined
  /** `pretty`: a line for people, colored on a terminal. Default: `json`. */
  format?: LogFormat | undefined
  /** True if nothing but Sluice logs: `pretty` then leaves out members without meaning for a developer. */
  isOwn?: boolean
}

export type LogFormat = 'json' | 'pretty'

/** A pino logger that never blocks: see `createLogger`. */
export interface GatewayLogger extends FastifyBaseLogger {
  /** Writes an entry of level info at the end of the event loop turn. `members`: JSON without braces. */
  infoLater(time: number, members: () => string): void
  /** Returns the number of entries dropped since the start. */
  dropped(): number
  /** Masks secrets in a path with its query. `route`: its pattern, whose parameters may be secrets. */
  describeUrl(url: unknown, route?: string): unknown
}

/**
 * Returns a logger that writes in the background. Entries are dropped and counted rather than waited for; the next entry that
 * is written has the number. Use it as Fastify's `loggerInstance`, or give it to the access log. Returns undefined for level
 * `silent`, which saves the work per request.
 */
export function createLogger({
  level,
  destination = 1,
  redact = { names: [], paths: [] },
  maxWrite,
  format = 'json',
  isOwn = false
}: LoggerOptions): GatewayLogger | undefined {
  if (level === 'silent') return undefined
  const redactor = createRedactor(redact)
  const writer = new LogWriter(destination, maxWrite, dropped =>
    logger.warn({ dropped }, 'entries were dropped')
  )
  const add =
    format === 'json' ? writer.add.bind(writer) : (text: string) => writer.add(prettyEntries(text, isOwn))
  let waiting: { time: number; members: () => string }[] = []
  const stream = {
    write(entry: string) {
      writeWaiting()
      add(entry)
    },
    flushSync() {
      writeWaiting()
      writer.flushSync()
    }
  }
  process.once('exit', stream.flushSync)
  const describeUrl = (url: unknown, route?: string) =>
    typeof url === 'string' ? redactor.url(url, route) : url
  const logger = pino(
    {
      level,
      formatters: { level: label => ({ level: label }) },
      serializers: {
        req: describeRequest,
        res: describeReply,
        err: (error: unknown) => describeError(error, redactor),
        headers: (headers: unknown) => describeHeaders(headers, redactor),
        url: (url: unknown) => describeUrl(url)
      }
    },
    stream
  )
  // In the order of pino's members.
  const beforeTime = '{"level":"info","time":'
  const afterTime = `,"pid":${process.pid},"hostname":${JSON.stringify(hostname())},`
  return Object.assign(logger, {
    // All entries of a turn together: each request evicts the code that makes them from the processor's caches. No longer
    // than a turn, or the garbage collector would move what they are made of (docs/decisions/0026).
    infoLater(time: number, members: () => string) {
      if (waiting.push({ time, members }) === 1) setImmediate(writeWaiting)
    },
    dropped: () => writer.dropped,
    describeUrl
  })

  function writeWaiting(): void {
    if (waiting.length === 0) return
    const entries = waiting
    waiting = []
    if (!logger.isLevelEnabled('info')) return
    let text = ''
    for (const { time, members } of entries) text += `${beforeTime}${time}${afterTime}${members()}}\n`
    add(text)
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
