import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { clientAddress } from '../http/client-address.ts'
import type { Exchange } from '../http/exchange.ts'
import { recordsOf } from '../observe/exchange-record.ts'
import { toLogEntry } from '../observe/log-entry.ts'
import type { GatewayLogger } from '../observe/logger.ts'
import { createRedactor } from '../observe/redact/redactor.ts'
import { RequestLogger } from '../observe/request-logger.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { AccessLogOptions } from '../schemas/options/log.ts'
import exchange from './exchange.ts'

export type AccessLogPluginOptions = Input<typeof AccessLogOptions> & {
  /**
   * Logger that replaces `fastify.log` and `request.log`. Default: `fastify.log`. Cheaper than Fastify's `loggerInstance`, which
   * listens to the end of each response and creates a child logger for each request.
   */
  logger?: FastifyBaseLogger
}

/**
 * Logs each exchange when it has ended, as one entry of level info. With `sample` below 1, logs that share of them, and all
 * that failed or were slow.
 */
async function accessLog(fastify: FastifyInstance, { logger, ...options }: AccessLogPluginOptions) {
  const { sample, slowThreshold, path, redact, ...own } = completeOptions(
    AccessLogOptions,
    options,
    'accessLog'
  )
  if (!fastify.hasPlugin('sluice-exchange')) await fastify.register(exchange)
  const recordOf = recordsOf(fastify)
  const redactor = path ? createRedactor(redact) : undefined
  if (logger) replaceLogger(fastify, logger)
  const log = fastify.log as FastifyBaseLogger & Partial<GatewayLogger> & { levelVal?: number }
  // Without `logger`, Fastify uses an object whose methods are all the same empty function.
  if (log.info === log.fatal)
    throw new Error(
      'accessLog: the app has no logger; create it with Fastify({ logger: true }) or give the option "logger"'
    )
  fastify.decorate('droppedLogEntries', () => log.dropped?.() ?? 0)

  if (own.clientAddress)
    fastify.onExchangeStart(exchange => {
      exchange.clientAddress = clientAddress(exchange.reply.request)
    })
  fastify.onExchangeEnd(exchange => {
    // Skip the work if the level is disabled.
    if ((log.levelVal ?? INFO) > INFO) return
    if (sample === 1 || exchange.isFailed || exchange.elapsed >= slowThreshold) write(exchange)
    else if (Math.random() < sample) write(exchange, sample)
    // Takes the bytes of the connection, which the next exchange on it would count otherwise.
    else recordOf(exchange)
  })

  function write(exchange: Exchange, drawn?: number): void {
    const record = recordOf(exchange)
    const message = record.abortReason === undefined ? 'exchange' : 'exchange aborted'
    const members = () => toLogEntry(record, redactor?.url(record.url, record.shared.route), drawn)
    if (log.infoLater) log.infoLater(record.time, () => `${members()},"msg":"${message}"`)
    else log.info(JSON.parse(`{${members()}}`), message)
  }
}

/** Number of level info in pino. */
const INFO = 30

export default fp(accessLog, { name: 'sluice-access-log', fastify: '5.x' })

function replaceLogger(fastify: FastifyInstance, logger: FastifyBaseLogger): void {
  fastify.log = logger
  // Fastify gives hooks and handlers no access to a route's own serializers.
  fastify.addHook('onRoute', route => {
    const { logSerializers } = route
    if (logSerializers) route.config = { ...route.config, logSerializers }
  })
  fastify.onExchangeStart(({ reply }) => {
    const { request } = reply
    request.log = reply.log = new RequestLogger(logger, request) as unknown as FastifyBaseLogger
  })
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Returns the number of log entries that the destination has not accepted. */
    droppedLogEntries?(): number
  }
  interface FastifyContextConfig {
    /** Serializers of the route's own `logSerializers`. */
    // biome-ignore lint/suspicious/noExplicitAny: Fastify types it so
    logSerializers?: Record<string, (value: any) => unknown>
  }
}
