import { Readable } from 'node:stream'
import type { Summary } from './show.ts'
import type { StoredExchange } from './stored-exchange.ts'

/** Sends exchanges to readers as they end. */
export interface Live {
  /** False without readers; nothing is published then. */
  readonly isFollowed: boolean
  /** Exchanges that readers were not sent since the start, because they or the gateway were too slow. */
  readonly dropped: number
  publish(exchange: StoredExchange): void
  /**
   * Returns a stream for a reader, or undefined if there are too many readers.
   * @param frame turns a line of JSON into a message of the stream
   */
  follow(wants: (exchange: StoredExchange) => boolean, frame: (json: string) => string): Readable | undefined
  close(): void
}

interface Reader {
  stream: Readable
  wants: (exchange: StoredExchange) => boolean
  frame: (json: string) => string
  missed: number
}

const MAX_READERS = 16
/** Bytes that may wait for one reader. */
const MAX_WAITING = 262_144
/** Exchanges per `INTERVAL`, so that readers do not slow down the gateway. */
const MAX_SHOWN = 200
/** Milliseconds. */
const INTERVAL = 100
const PING = 15_000

/** Readers get one line of JSON per exchange, and `{"missed":n}` in place of exchanges that were dropped. */
export function createLive(summary: (exchange: StoredExchange) => Summary): Live {
  const readers = new Set<Reader>()
  let shown = 0
  let dropped = 0
  let since = 0
  let timer: NodeJS.Timeout | undefined

  return {
    get isFollowed() {
      return readers.size > 0
    },
    get dropped() {
      return dropped
    },
    publish(exchange) {
      const now = performance.now()
      if (now - since >= INTERVAL) {
        since = now
        shown = 0
      }
      let json: string | undefined
      for (const reader of readers) {
        if (!reader.wants(exchange)) continue
        if (shown >= MAX_SHOWN || reader.stream.readableLength > MAX_WAITING) {
          reader.missed++
          dropped++
          continue
        }
        if (json === undefined) {
          json = JSON.stringify(summary(exchange))
          shown++
        }
        if (reader.missed > 0) reader.stream.push(reader.frame(`{"missed":${reader.missed}}`))
        reader.missed = 0
        reader.stream.push(reader.frame(json))
      }
    },
    follow(wants, frame) {
      if (readers.size >= MAX_READERS) return undefined
      const stream = new Readable({ read() {} })
      const reader = { stream, wants, frame, missed: 0 }
      readers.add(reader)
      timer ??= setInterval(ping, PING).unref()
      stream.once('close', () => {
        readers.delete(reader)
        if (readers.size > 0) return
        clearInterval(timer)
        timer = undefined
      })
      // Has Fastify send the response headers.
      stream.push('\n')
      return stream
    },
    close() {
      for (const { stream } of readers) stream.push(null)
    }
  }

  /** Sends an empty line, which readers of both formats ignore. */
  function ping(): void {
    for (const { stream } of readers) if (stream.readableLength === 0) stream.push('\n')
  }
}
