import type { ServerResponse } from 'node:http'
import type { FastifyContextConfig, FastifyInstance } from 'fastify'
import { appState } from '../app-state.ts'
import { consumerOf } from '../auth/consumer.ts'
import type { Cause } from '../http/cause.ts'
import type { Exchange, LimitDecision } from '../http/exchange.ts'
import { headerTextOf } from '../http/node-internals.ts'
import { takeConnectionBytes } from './connection-bytes.ts'
import type { RecordedAttempt } from './recorder/attempts.ts'
import type { RecordableResponse } from './recorder/response.ts'

/**
 * Facts about an exchange that has ended, for access log and recorder. They write it at the end of the event loop turn; nothing
 * else of the exchange stays alive until then.
 */
export class ExchangeRecord {
  /** Time of the end in epoch milliseconds. */
  readonly time = Date.now()
  readonly id: string
  readonly traceparent: string
  /** True if the span id of `traceparent` is that of the exchange. */
  readonly hasSpan: boolean
  readonly shared: SharedFields
  readonly isFailed: boolean
  /** Code of the error that aborted the response. */
  readonly abortReason: string | undefined
  readonly causeDetail: string | undefined
  readonly consumer: string | undefined
  readonly clientAddress: string | undefined
  /** Bytes on the connection, headers included; -1 if unknown. */
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Microseconds; -1 for a stage that was not reached. */
  readonly durationUs: number
  readonly queueUs: number = -1
  readonly upstreamUs: number = -1
  readonly sendUs: number = -1

  readonly url: string
  readonly httpMajor: number
  readonly httpMinor: number
  readonly isSecure: boolean
  /** Address at the other end of the connection. */
  readonly remoteAddress: string
  /** Names and values alternate. */
  readonly rawHeaders: string[]
  /** Status line and headers as sent, or as HTTP/1.1 would have sent them. Empty if no response was started. */
  readonly responseHead: string
  /** Bodies as the recorder has seen them; cleared once it has stored them. */
  requestBody: unknown
  responseBody: unknown
  /** Requests to endpoints, by their start; cleared like the bodies. */
  attempts: readonly RecordedAttempt[] | undefined
  /** Start of the exchange by `performance.now()`. */
  readonly startedAt: number

  constructor(exchange: Exchange, sharedFields: SharedFieldsCache) {
    const { reply, socket, startedAt, calledAt, respondedAt, endedAt } = exchange
    // Each Fastify context has its own request and reply classes, which makes reads slow: read each member once.
    const { request, raw: response } = reply
    const { raw, id } = request
    const [received, sent] = takeConnectionBytes(exchange)
    this.id = id
    this.traceparent = exchange.traceparent
    this.hasSpan = exchange.span !== undefined
    this.shared = sharedFields.of(exchange, raw.method as string, response.statusCode)
    this.isFailed = exchange.isFailed
    this.abortReason = exchange.isComplete
      ? undefined
      : ((exchange.abortReason as { code?: string } | undefined)?.code ?? 'unknown')
    this.causeDetail = exchange.causeDetail
    this.consumer = consumerOf(request)
    this.clientAddress = exchange.clientAddress
    this.bytesReceived = received
    this.bytesSent = sent
    this.durationUs = toMicroseconds(endedAt - startedAt)
    if (calledAt > 0) {
      this.queueUs = toMicroseconds(calledAt - startedAt)
      this.upstreamUs = toMicroseconds((respondedAt || endedAt) - calledAt)
      if (respondedAt > 0) this.sendUs = toMicroseconds(endedAt - respondedAt)
    }
    this.url = raw.url as string
    this.httpMajor = raw.httpVersionMajor
    this.httpMinor = raw.httpVersionMinor
    // HTTP/2 is served over TLS only, and its sockets have no `encrypted`.
    this.isSecure = raw.httpVersionMajor > 1 || (socket as { encrypted?: boolean }).encrypted === true
    this.remoteAddress = socket.remoteAddress ?? ''
    this.rawHeaders = raw.rawHeaders
    this.responseHead = headOf(response)
    const { receivedBody, sentBody, attempts } = response as Partial<RecordableResponse>
    this.attempts = attempts
    this.startedAt = startedAt
    this.requestBody = receivedBody
    this.responseBody = this.responseHead === '' || isBodiless(this.shared) ? undefined : sentBody
  }
}

/** Returns the record of an exchange that has ended, made at the first call. */
export type RecordOf = (exchange: Exchange) => ExchangeRecord

/** Returns the app's `recordOf`, so that all observers of an exchange share one record. */
export function recordsOf(app: FastifyInstance): RecordOf {
  return appState(app, 'exchange-records', () => {
    const sharedFields = new SharedFieldsCache()
    return exchange => {
      exchange.record ??= new ExchangeRecord(exchange, sharedFields)
      return exchange.record as ExchangeRecord
    }
  })
}

/** Values that many exchanges of a route have in common, kept once for all of them, with their JSON for the access log. */
export class SharedFields {
  readonly method: string
  readonly route: string | undefined
  readonly config: FastifyContextConfig
  readonly status: number
  readonly grpcStatus: number | undefined
  readonly cause: Cause | undefined
  readonly tier: string | undefined
  readonly decision: LimitDecision | undefined
  readonly upstream: string | undefined
  readonly endpoint: string | undefined
  readonly attempts: number
  readonly cache: string | undefined
  #json: string | undefined

  constructor(exchange: Exchange, method: string, status: number) {
    this.method = method
    this.status = status
    this.route = exchange.route
    this.config = exchange.config
    this.grpcStatus = exchange.grpcStatus
    this.cause = exchange.cause
    this.tier = exchange.tier
    this.decision = exchange.decision
    this.upstream = exchange.upstream
    this.endpoint = exchange.endpoint
    this.attempts = exchange.attempts
    this.cache = exchange.cache
  }

  /** Returns true if an exchange of the same config has the same values. */
  isOf(exchange: Exchange, method: string, status: number): boolean {
    return (
      this.status === status &&
      this.cause === exchange.cause &&
      this.endpoint === exchange.endpoint &&
      this.attempts === exchange.attempts &&
      this.method === method &&
      this.decision === exchange.decision &&
      this.tier === exchange.tier &&
      this.cache === exchange.cache &&
      this.upstream === exchange.upstream &&
      this.grpcStatus === exchange.grpcStatus &&
      this.route === exchange.route
    )
  }

  /** JSON without braces. */
  get json(): string {
    this.#json ??= this.#toJson()
    return this.#json
  }

  #toJson(): string {
    const { method, route, status, grpcStatus, cause, tier, decision, upstream, endpoint, attempts, cache } =
      this
    const { scope, version } = this.config
    const members = {
      ...{ method, route, scope, version, status, grpcStatus, cause },
      ...(decision !== undefined && { tier, limit: decision }),
      ...(upstream !== undefined && { upstream, endpoint, attempts }),
      cache
    }
    return JSON.stringify(members).slice(1, -1)
  }
}

/** Finds the shared fields of an exchange by its route's config; unmatched requests have a config too. */
class SharedFieldsCache {
  #byConfig = new Map<FastifyContextConfig, SharedFields[]>()

  of(exchange: Exchange, method: string, status: number): SharedFields {
    let known = this.#byConfig.get(exchange.config)
    if (known === undefined) {
      known = []
      this.#byConfig.set(exchange.config, known)
    }
    for (const fields of known) if (fields.isOf(exchange, method, status)) return fields
    const fields = new SharedFields(exchange, method, status)
    if (known.push(fields) > MAX_PER_ROUTE) known.shift()
    return fields
  }
}

const MAX_PER_ROUTE = 8

/** Returns true if no body is sent, whatever the handler returned (RFC 9110, 6.4.1). */
function isBodiless({ method, status }: SharedFields): boolean {
  return method === 'HEAD' || status === 204 || status === 304
}

function toMicroseconds(ms: number): number {
  return Math.round(ms * 1_000)
}

/** Returns Node's text of the response's status line and headers; for HTTP/2, which has none, the same in that form. */
function headOf(raw: ServerResponse): string {
  const head = headerTextOf(raw)
  if (head !== undefined) return head
  if (!raw.headersSent) return ''
  const lines = Object.entries(raw.getHeaders()).flatMap(([name, value]) =>
    name.startsWith(':') ? [] : [value].flat().map(one => `${name}: ${one}\r\n`)
  )
  return `HTTP/2 ${raw.statusCode}\r\n${lines.join('')}\r\n`
}
