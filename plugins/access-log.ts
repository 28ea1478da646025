import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import pino from 'pino'
import type { ProblemError } from './problem.ts'

/** One line an exchange, after its end. Never the path, whose parts may be secrets. */
async function accessLog(fastify: FastifyInstance) {
  const { log } = fastify
  fastify.onExchangeEnd(exchange => {
    const { route, reply, elapsed, isWhole, reason } = exchange
    const { request } = reply
    const line = {
      reqId: request.id,
      method: request.method,
      route,
      status: reply.statusCode,
      consumer: request.user?.sub,
      ms: Math.round(elapsed * 1000) / 1000
    }
    if (isWhole) log.info(line, 'exchange')
    else log.info({ ...line, cut: (reason as ProblemError).code }, 'exchange cut short')
  })
}

export default fp(accessLog, { name: 'sluice-access-log', fastify: '5.x', dependencies: ['sluice-exchange'] })

/**
 * Logs to a file descriptor or a path, in the background: lines are written by the page or after `FLUSH` ms, and lost
 * rather than waited for once `BACKLOG` bytes wait already; the next one that is written says how many. Undefined if
 * nothing is to be logged: Fastify then does without what a line would need.
 */
export function createLogger(level: string, dest: string | number = 1): FastifyBaseLogger | undefined {
  if (level === 'silent') return undefined
  const destination = pino.destination({
    dest,
    sync: false,
    minLength: PAGE,
    maxLength: BACKLOG,
    periodicFlush: FLUSH
  })
  const logger = pino({ level }, destination)
  let dropped = 0
  destination.on('drop', () => {
    dropped++
  })
  destination.on('drain', () => {
    if (dropped === 0) return
    logger.warn({ dropped }, 'lines were lost')
    dropped = 0
  })
  return logger
}

/** Bytes. */
const PAGE = 4_096
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
export function childLoggerFactory(
  logger: FastifyBaseLogger,
  bindings: Record<string, unknown>
): FastifyBaseLogger {
  return new LazyLogger(logger, bindings) as unknown as FastifyBaseLogger
}

class LazyLogger {
  #parent: FastifyBaseLogger
  #bindings: Record<string, unknown>
  #child: FastifyBaseLogger | undefined

  constructor(parent: FastifyBaseLogger, bindings: Record<string, unknown>) {
    this.#parent = parent
    this.#bindings = bindings
  }

  get level(): string {
    return this.#real().level
  }

  set level(level: string) {
    this.#real().level = level
  }

  fatal(...line: Line): void {
    this.#log('fatal', line)
  }
  error(...line: Line): void {
    this.#log('error', line)
  }
  warn(...line: Line): void {
    this.#log('warn', line)
  }
  info(...line: Line): void {
    this.#log('info', line)
  }
  debug(...line: Line): void {
    this.#log('debug', line)
  }
  trace(...line: Line): void {
    this.#log('trace', line)
  }
  silent(): void {}
  child(...args: Parameters<FastifyBaseLogger['child']>): FastifyBaseLogger {
    return this.#real().child(...args)
  }

  #log(level: pino.Level, line: Line): void {
    if (this.#child === undefined && (this.#parent as Partial<pino.Logger>).isLevelEnabled?.(level) === false)
      return
    this.#real()[level](...line)
  }

  #real(): FastifyBaseLogger {
    this.#child ??= this.#parent.child(this.#bindings)
    return this.#child
  }
}

type Line = Parameters<FastifyBaseLogger['info']>
