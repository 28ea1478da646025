import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, RequestPayload, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { Exchange } from '../http/exchange.ts'
import type { Ended } from '../observe/exchange-record.ts'
import { Beginning } from '../observe/recorder/bodies.ts'
import { type Captures, createCaptures } from '../observe/recorder/captures.ts'
import { createFilter, type Filter } from '../observe/recorder/filter.ts'
import { toHar } from '../observe/recorder/har.ts'
import { type KnownNames, namesOf } from '../observe/recorder/known-names.ts'
import { createLive, type Live } from '../observe/recorder/live.ts'
import type { Recorded } from '../observe/recorder/record.ts'
import type { SendingResponse } from '../observe/recorder/response.ts'
import { Ring } from '../observe/recorder/ring.ts'
import { createShow, type Detail, type Summary } from '../observe/recorder/show.ts'
import type { Redactor } from '../observe/redact/redactor.ts'
import type { RecorderOptions } from '../schemas/options/recorder.ts'

/**
 * The flight recorder: the last exchanges in memory, with what there is of them as bytes, and redacted when somebody reads
 * them. Failed ones (5xx, or cut short) have a ring of their own, so that a busy hour does not wash them away.
 * `fastify.recorder` is what the admin side reads; captures and those who follow live hang on it.
 */
export interface Recorder {
  /** The latest first. */
  list(filter: Filter): Summary[]
  /** By its id, or the latest by its request's. */
  find(id: string): Detail | undefined
  har(filter: Filter): object
  /** Of one, or of a capture. */
  harOf(records: Detail[]): object
  readonly live: Live
  readonly captures: Captures
  /** Returns the details of several exchanges, whose bodies share one budget. */
  details(records: Recorded[]): Detail[]
  /** Bytes to keep of a body of it that begins to come, or to go. */
  limitOf(exchange: Exchange): number
  /** Names that filters can use. */
  names(): KnownNames
  counts(): { recorded: number; held: number; bytes: number; dropped: number }
}

export interface RecorderPluginOptions extends RecorderOptions {
  redactor: Redactor
  /** Of Sluice, for HAR. */
  version: string
  now: () => number
}

async function recorder(fastify: FastifyInstance, options: RecorderPluginOptions) {
  const { size, failed, body, memory, redactor, version, now } = options
  const show = createShow(redactor, randomBytes(4).toString('hex'))
  const recent = new Ring(size, memory, body)
  const failures = new Ring(failed, memory, body)
  const live = createLive(show.summary)
  const captures = createCaptures(options.captures, now)
  let waiting: Ended[] = []
  let recorded = 0
  const routes: RouteOptions[] = []

  // Not of a request that has been refused by then: its body is nobody's, and node reads to its end what is not touched.
  fastify.addHook('onRoute', route => {
    routes.push(route)
    if ([route.method].flat().every(method => BODILESS.has(method))) return
    route.preParsing = [tapBody, ...[route.preParsing ?? []].flat()]
  })
  fastify.onExchangeEnd(exchange => {
    const { ended } = exchange
    exchange.received = undefined
    ;(exchange.reply.raw as Partial<SendingResponse>).sent = undefined
    if (waiting.push(ended) === 1) setImmediate(record)
    if (captures.isWatching) captures.take(recorded + waiting.length, exchange)
  })
  // Those who follow would otherwise hold the admin side open.
  fastify.addHook('preClose', done => {
    record()
    live.close()
    captures.close()
    done()
  })

  fastify.decorate('recorder', {
    list: filter => select(filter).map(show.summary),
    find(id) {
      const record = all().find(one => show.idOf(one) === id || one.heads().requestId === id)
      return record && show.details([record])[0]
    },
    har: filter => toHar(show.details(select(filter)), version),
    harOf: records => toHar(records, version),
    details: show.details,
    limitOf,
    live,
    captures,
    names: () => namesOf(routes, fastify.upstreams),
    counts() {
      record()
      return {
        recorded,
        held: recent.held + failures.held,
        bytes: recent.weight + failures.weight,
        dropped: live.dropped
      }
    }
  })

  function tapBody(
    { exchange, raw }: FastifyRequest,
    _reply: FastifyReply,
    payload: RequestPayload,
    done: (error: null, payload: RequestPayload) => void
  ): void {
    const { headers } = raw
    if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined)
      tap(exchange, raw)
    done(null, payload)
  }

  /** Those of one turn of the event loop together, as the log does with its lines, and for the same reason. */
  function record(): void {
    const exchanges = waiting
    waiting = []
    for (const ended of exchanges) {
      const ring = ended.isFailed ? failures : recent
      ring.add(++recorded, ended)
      ended.received = ended.sent = undefined
      if (live.isFollowed) live.publish(ring.latest)
    }
  }

  /** The stream stays as it was: whoever is to read it starts it. */
  function tap(exchange: Exchange, stream: Readable): void {
    let received: Beginning | undefined
    // Otherwise a listener would set it going.
    stream.pause()
    stream.on('data', (chunk: Buffer) => {
      // Not before the first: by then it is known who calls.
      if (received === undefined) exchange.received = received = new Beginning(limitOf(exchange))
      received.addReceived(chunk)
    })
  }

  function limitOf(exchange: Exchange): number {
    return captures.isWatching ? captures.limitOf(exchange, body) : body
  }

  function select(filter: Filter): Recorded[] {
    return all().filter(createFilter(filter)).slice(0, filter.limit)
  }

  function all(): Recorded[] {
    record()
    return [...recent, ...failures].sort((a, b) => b.number - a.number)
  }
}

export default fp(recorder, { name: 'sluice-recorder', fastify: '5.x', dependencies: ['sluice-exchange'] })

/** Methods of which a body is refused, or in HTTP/2 read by nobody. */
const BODILESS = new Set(['GET', 'HEAD'])

declare module 'fastify' {
  interface FastifyInstance {
    recorder?: Recorder
  }
}
