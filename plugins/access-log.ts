import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import pino from 'pino'
import type { ProblemError } from './problem.ts'

/**
 * The log of a gateway: `fastify.log` and `request.log` are `logger`'s, and each exchange has one line, after its end.
 * Never the path, whose parts may be secrets.
 */
export interface AccessLogOptions {
  logger: FastifyBaseLogger
}

async function accessLog(fastify: FastifyInstance, { logger: log }: AccessLogOptions) {
  // Not by Fastify's `loggerInstance`: it then listens to each answer's end, and checks the methods of each request's
  // logger, which together cost more than the line.
  fastify.log = log
  fastify.addHook('onRequest', (request, reply, done) => {
    request.log = reply.log = new RequestLogger(log, request) as unknown as FastifyBaseLogger
    done()
  })
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
  let page = ''
  let timer: NodeJS.Timeout | undefined
  // Before pino's own listener, which then writes what waits in the destination.
  process.once('exit', turn)
  const destination = pino.destination({ dest, sync: false, maxLength: BACKLOG, maxWrite: BACKLOG })
  // sonic-boom measures all that waits with each line, so it gets them by the page.
  const pages = {
    write(line: string) {
      page += line
      if (page.length >= PAGE) turn()
      else timer ??= setTimeout(turn, FLUSH).unref()
    },
    flushSync() {
      turn()
      destination.flushSync()
    }
  }
  const logger = pino({ level, serializers: { req: describeRequest, res: describeReply } }, pages)
  let dropped = 0
  destination.on('drop', (page: string) => {
    dropped += page.split('\n').length - 1
  })
  destination.on('drain', () => {
    if (dropped === 0) return
    logger.warn({ dropped }, 'lines were lost')
    dropped = 0
  })
  return logger

  function turn(): void {
    clearTimeout(timer)
    timer = undefined
    if (page !== '') destination.write(page)
    page = ''
  }
}

function describeRequest({ method, routeOptions }: FastifyRequest): object {
  return { method, route: routeOptions?.url }
}

function describeReply({ statusCode }: FastifyReply): object {
  return { statusCode }
}

/** Characters. */
const PAGE = 16_384
/** Bytes. */
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
class RequestLogger {
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
    if (
      this.#child === undefined &&
      !this.#request.routeOptions.logLevel &&
      (this.#parent as Partial<pino.Logger>).isLevelEnabled?.(level) === false
    )
      return
    this.#real()[level](...line)
  }

  #real(): FastifyBaseLogger {
    const { id, routeOptions } = this.#request
    const { logLevel } = routeOptions
    this.#child ??= this.#parent.child({ reqId: id }, logLevel ? { level: logLevel } : {})
    return this.#child
  }
}

type Line = Parameters<FastifyBaseLogger['info']>
