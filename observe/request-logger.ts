import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type pino from 'pino'
import type { GatewayLogger } from './logger.ts'

/**
 * A request's logger that creates its pino child at the first use: most requests log nothing but their access log entry, and a
 * child costs as much as that.
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
    const { id, routeOptions, exchange } = this.#request
    if (this.#child !== undefined) return this.#child
    const { logLevel, config, url: route } = routeOptions
    const { describeUrl } = this.#parent as Partial<GatewayLogger>
    // An own object, since its prototype belongs to the route's plugins.
    const serializers = Object.create(config.logSerializers ?? null)
    if (describeUrl && !('url' in serializers)) serializers.url = (url: unknown) => describeUrl(url, route)
    const span = exchange?.span?.spanContext()
    const ids = { reqId: id, ...(span && { trace: span.traceId, span: span.spanId }) }
    this.#child = this.#parent.child(ids, { ...(logLevel && { level: logLevel }), serializers })
    return this.#child
  }
}

type Arguments = Parameters<FastifyBaseLogger['info']>
