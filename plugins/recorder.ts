import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, RequestPayload, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { Exchange } from '../http/exchange.ts'
import { responseClassesOf } from '../http/node-internals.ts'
import { type ExchangeRecord, recordsOf } from '../observe/exchange-record.ts'
import { BodyPrefix } from '../observe/recorder/bodies.ts'
import { type Captures, createCaptures } from '../observe/recorder/captures.ts'
import { createFilter, type Filter } from '../observe/recorder/filter.ts'
import { toHar } from '../observe/recorder/har.ts'
import { type KnownNames, namesOf } from '../observe/recorder/known-names.ts'
import { createLive, type Live } from '../observe/recorder/live.ts'
import {
  type RecordableResponse,
  RecordedHttp2Response,
  RecordedResponse
} from '../observe/recorder/response.ts'
import { type ExchangeStore, Ring } from '../observe/recorder/ring.ts'
import { createShow, type Detail, type Summary } from '../observe/recorder/show.ts'
import type { StoredExchange } from '../observe/recorder/stored-exchange.ts'
import { watchAttempts } from '../observe/recorder/watch-attempts.ts'
import { createRedactor } from '../observe/redact/redactor.ts'
import { version } from '../package-version.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { RecorderPluginOptions } from '../schemas/options/recorder.ts'
import exchange from './exchange.ts'

/**
 * Keeps the latest exchanges in memory, as bytes. They are parsed, decompressed and redacted when somebody reads them. Failed
 * exchanges (5xx or aborted) are kept separately, so that many good ones do not displace them.
 */
export interface Recorder {
  /** Returns the exchanges that match, the latest first. */
  list(filter?: Partial<Filter>): Summary[]
  /** Returns an exchange by its own id, or the latest with that request id. */
  find(id: string): Detail | undefined
  /** Returns the exchanges that match as a HAR. */
  har(filter?: Partial<Filter>): object
  /** Returns exchanges as a HAR. */
  harOf(exchanges: Detail[]): object
  /** Returns the details of several exchanges, whose bodies share one budget. */
  details(exchanges: StoredExchange[]): Detail[]
  readonly live: Live
  readonly captures: Captures
  /** Returns the names that filters can use. */
  names(): KnownNames
  counts(): { recorded: number; held: number; bytes: number; dropped: number }
}

async function recorder(fastify: FastifyInstance, given: Input<typeof RecorderPluginOptions>) {
  const { size, failed, body, memory, upstream, redact, ...options } = completeOptions(
    RecorderPluginOptions,
    given,
    'recorder'
  )
  if (size === 0) return
  assertResponseClass(fastify)
  if (!fastify.hasPlugin('sluice-exchange')) await fastify.register(exchange)
  const recordOf = recordsOf(fastify)
  const show = createShow(createRedactor(redact), randomBytes(4).toString('hex'))
  const recent: ExchangeStore = new Ring(size, memory, body, upstream)
  const failures: ExchangeStore = new Ring(failed, memory, body, upstream)
  const live = createLive(show.summary)
  const captures = createCaptures(options.captures, fastify.overrides?.now ?? Date.now)
  const routes: RouteOptions[] = []
  let waiting: ExchangeRecord[] = []
  let recorded = 0

  // In preParsing, since the body of a request that was rejected before is not read.
  fastify.addHook('onRoute', route => {
    routes.push(route)
    if ([route.method].flat().every(method => BODILESS.has(method))) return
    route.preParsing = [watchBody, ...[route.preParsing ?? []].flat()]
  })
  fastify.onExchangeStart(exchange => {
    const response = exchange.reply.raw as Partial<RecordableResponse>
    response.exchange = exchange
    response.limitOf = limitOf
  })
  fastify.onAttemptStart(
    watchAttempts(
      exchange => upstream || (captures.isActive && captures.wantsUpstream(exchange)),
      exchange => captures.limitOf(exchange, upstream ? body : 0, true)
    )
  )
  fastify.onExchangeEnd(exchange => {
    const record = recordOf(exchange)
    const response = exchange.reply.raw as Partial<RecordableResponse>
    response.receivedBody = response.sentBody = response.attempts = undefined
    if (waiting.push(record) === 1) setImmediate(store)
    if (captures.isActive) captures.take(recorded + waiting.length, exchange, record)
  })
  // Live readers would keep their server open.
  fastify.addHook('preClose', done => {
    store()
    live.close()
    captures.close()
    done()
  })

  fastify.decorate('recorder', {
    list: filter => select(filter).map(show.summary),
    find(id) {
      const found = all().find(one => show.idOf(one) === id || one.text().requestId === id)
      return found && show.details([found])[0]
    },
    har: filter => toHar(show.details(select(filter)), version),
    harOf: exchanges => toHar(exchanges, version),
    details: show.details,
    live,
    captures,
    names: () => namesOf(routes, fastify.upstreams ?? []),
    counts() {
      store()
      return {
        recorded,
        held: recent.count + failures.count,
        bytes: recent.bytes + failures.bytes,
        dropped: live.dropped
      }
    }
  })

  /** Stores the exchanges of an event loop turn together, after their responses have been sent. */
  function store(): void {
    const records = waiting
    waiting = []
    for (const record of records) {
      const ring = record.isFailed ? failures : recent
      ring.add(++recorded, record)
      record.requestBody = record.responseBody = record.attempts = undefined
      if (live.isFollowed) live.publish(ring.latest)
    }
  }

  function watchBody(
    { exchange, raw }: FastifyRequest,
    reply: FastifyReply,
    payload: RequestPayload,
    done: (error: null, payload: RequestPayload) => void
  ): void {
    const { headers } = raw
    if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined)
      keepReceived(exchange, raw, reply.raw as Partial<RecordableResponse>)
    done(null, payload)
  }

  function keepReceived(exchange: Exchange, stream: Readable, response: Partial<RecordableResponse>): void {
    let prefix: BodyPrefix | undefined
    // The listener would start the stream; its reader does that.
    stream.pause()
    stream.on('data', (chunk: Buffer) => {
      // Not earlier, since captures go by the consumer.
      if (prefix === undefined) response.receivedBody = prefix = new BodyPrefix(limitOf(exchange))
      prefix.addReceived(chunk)
    })
  }

  function limitOf(exchange: Exchange): number {
    return captures.isActive ? captures.limitOf(exchange, body) : body
  }

  function select(filter: Partial<Filter> = {}): StoredExchange[] {
    return all()
      .filter(createFilter(filter))
      .slice(0, filter.limit ?? DEFAULT_LIMIT)
  }

  function all(): StoredExchange[] {
    store()
    return [...recent, ...failures].sort((a, b) => b.number - a.number)
  }
}

export default fp(recorder, { name: 'sluice-recorder', fastify: '5.x' })

/** Methods whose request bodies are rejected or, over HTTP/2, not read. */
const BODILESS = new Set(['GET', 'HEAD'])
const DEFAULT_LIMIT = 100

/** @throws if the server creates responses that do not keep their bodies */
function assertResponseClass({ server }: FastifyInstance): void {
  const isRecorded = ({ prototype }: { prototype: unknown }) =>
    prototype === RecordedResponse.prototype ||
    prototype === RecordedHttp2Response.prototype ||
    prototype instanceof RecordedResponse ||
    prototype instanceof RecordedHttp2Response
  if (!responseClassesOf(server).every(isRecorded))
    throw new Error(
      'recorder: the server does not keep response bodies; create the app with Fastify(serverOptions()) from sluice'
    )
}

declare module 'fastify' {
  interface FastifyInstance {
    recorder?: Recorder
  }
}
