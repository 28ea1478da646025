import { randomUUID } from 'node:crypto'
import Type, { type Static } from 'typebox'
import { consumerOf } from '../../auth/consumer.ts'
import type { Exchange } from '../../http/exchange.ts'
import { withDefault } from '../../schemas/options/defaults.ts'
import type { ExchangeRecord } from '../exchange-record.ts'
import { Ring } from './ring.ts'
import type { StoredExchange } from './stored-exchange.ts'

/** Exchanges to keep with their whole bodies. `consumer`, `route` and `header` must all match; at least one is required. */
export const CaptureOptions = Type.Object(
  {
    /** The subject, or `ISSUER/SUBJECT` with several issuers. */
    consumer: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
    /** Pattern of the route: `/api/v1/orders/:id`. */
    route: Type.Optional(Type.String({ minLength: 1, maxLength: 1_024 })),
    header: Type.Optional(
      Type.Object(
        {
          name: Type.String({ minLength: 1, maxLength: 128 }),
          value: Type.Optional(Type.String({ maxLength: 1_024 }))
        },
        { additionalProperties: false }
      )
    ),
    /** Milliseconds until the capture expires. */
    ttl: withDefault(Type.Integer({ minimum: 1_000, maximum: 3_600_000 }), 300_000),
    /** Exchanges. */
    count: withDefault(Type.Integer({ minimum: 1, maximum: 1_000 }), 100),
    /** Bytes of each body. */
    body: withDefault(Type.Integer({ minimum: 0, maximum: 8_388_608 }), 1_048_576),
    /** True to keep also what was sent to services and what they responded. */
    upstream: withDefault(Type.Boolean(), false)
  },
  { additionalProperties: false }
)
export type CaptureOptions = Static<typeof CaptureOptions>

export type CaptureState = 'active' | 'expired' | 'complete' | 'full' | 'stopped'

export interface Capture {
  id: string
  options: CaptureOptions
  startedAt: number
  endsAt: number
  /** `endsAt` by a monotonic clock. */
  dueAt: number
  state: CaptureState
  exchanges: StoredExchange[]
  bytes: number
}

export interface Captures {
  /** False without active captures; an exchange then costs only this check. */
  readonly isActive: boolean
  /** Returns undefined if there are too many active captures. */
  start(options: CaptureOptions): Capture | undefined
  list(): Capture[]
  find(id: string): Capture | undefined
  remove(id: string): boolean
  /** Returns the bytes to keep of a body that starts to stream, at least `min`. `isUpstream`: of a service's. */
  limitOf(exchange: Exchange, min: number, isUpstream?: boolean): number
  /** True if a capture keeps what is sent to services. */
  wantsUpstream(exchange: Exchange): boolean
  /** Keeps an exchange that has ended in all captures that it matches. */
  take(number: number, exchange: Exchange, record: ExchangeRecord): void
  close(): void
}

/** Bytes of an exchange besides its headers and bodies. */
const OVERHEAD = 512
/** Active and ended. */
const MAX_CAPTURES = 16

/** @param memory bytes of all captures, including bodies that are still arriving */
export function createCaptures(memory: number, now: () => number): Captures {
  const elapsed = now === Date.now ? () => performance.now() : now
  const all: Capture[] = []
  let active: Capture[] = []
  let timer: NodeJS.Timeout | undefined
  let held = 0
  const reserved = new Map<Exchange, number>()

  return {
    get isActive() {
      return active.length > 0 || reserved.size > 0
    },
    start(options) {
      expire()
      if (all.length >= MAX_CAPTURES) {
        // Replace the oldest capture that has ended.
        const ended = all.findIndex(({ state }) => state !== 'active')
        if (ended === -1) return undefined
        forget(ended)
      }
      const startedAt = now()
      const capture: Capture = {
        id: randomUUID(),
        options,
        startedAt,
        endsAt: startedAt + options.ttl,
        dueAt: elapsed() + options.ttl,
        state: 'active',
        exchanges: [],
        bytes: 0
      }
      all.push(capture)
      active.push(capture)
      timer ??= setInterval(expire, 500).unref()
      return capture
    },
    list() {
      expire()
      return all
    },
    find(id) {
      expire()
      return all.find(capture => capture.id === id)
    },
    remove(id) {
      const index = all.findIndex(capture => capture.id === id)
      if (index === -1) return false
      end(all[index] as Capture, 'stopped')
      forget(index)
      return true
    },
    limitOf(exchange, min, isUpstream = false) {
      // `take()`, which returns the reserved bytes, was called already.
      if (exchange.endedAt > 0) return min
      const wanted = Math.max(
        0,
        ...matching(exchange).map(({ options }) => (isUpstream && !options.upstream ? 0 : options.body))
      )
      const before = reserved.get(exchange) ?? 0
      if (wanted <= min || held + wanted > memory) return min
      held += wanted
      reserved.set(exchange, before + wanted)
      return wanted
    },
    wantsUpstream: exchange => matching(exchange).some(({ options }) => options.upstream),
    take(number, exchange, record) {
      held -= reserved.get(exchange) ?? 0
      reserved.delete(exchange)
      for (const capture of matching(exchange)) {
        const { options, exchanges } = capture
        const ring = new Ring(1, memory, options.body, options.upstream)
        ring.add(number, record)
        const bytes = OVERHEAD + ring.bytes
        if (held + bytes > memory) {
          end(capture, 'full')
          continue
        }
        held += bytes
        capture.bytes += bytes
        exchanges.push(ring.latest)
        if (exchanges.length >= options.count) end(capture, 'complete')
      }
    },
    close() {
      for (const capture of active) end(capture, 'stopped')
    }
  }

  function matching(exchange: Exchange): Capture[] {
    const time = elapsed()
    return active.filter(({ options, dueAt }) => time < dueAt && matches(options, exchange))
  }

  function expire(): void {
    const time = elapsed()
    for (const capture of active) if (time >= capture.dueAt) end(capture, 'expired')
  }

  function end(capture: Capture, state: CaptureState): void {
    if (capture.state !== 'active') return
    capture.state = state
    active = active.filter(other => other !== capture)
    if (active.length > 0) return
    clearInterval(timer)
    timer = undefined
  }

  function forget(index: number): void {
    const [capture] = all.splice(index, 1)
    held -= capture?.bytes ?? 0
  }
}

function matches({ consumer, route, header }: CaptureOptions, { reply, route: own }: Exchange): boolean {
  const { request } = reply
  if (consumer !== undefined && consumerOf(request) !== consumer) return false
  if (route !== undefined && own !== route) return false
  if (header === undefined) return true
  const value = request.headers[header.name.toLowerCase()]
  return value !== undefined && (header.value === undefined || header.value === String(value))
}
