import { randomUUID } from 'node:crypto'
import { type FastifyBaseLogger, type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import pino from 'pino'

/** One line an exchange, after its answer, in the place of Fastify's two. Never the path, whose parts may be secrets. */
export class AccessLog extends LogController {
  override incomingRequest(): void {}

  override requestCompleted(
    error: Error | null | undefined,
    request: FastifyRequest,
    reply: FastifyReply
  ): void {
    const line = {
      reqId: request.id,
      method: request.method,
      route: request.exchange?.route,
      status: reply.statusCode,
      consumer: request.user?.sub,
      ms: Math.round(reply.elapsedTime * 1000) / 1000
    }
    if (error) reply.server.log.info({ ...line, err: error }, 'exchange failed')
    else reply.server.log.info(line, 'exchange')
  }
}

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
