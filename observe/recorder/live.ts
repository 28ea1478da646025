import { Readable } from 'node:stream'
import type { Recorded } from './record.ts'
import type { Summary } from './show.ts'

export interface Live {
  /** False while nobody follows: then nothing is made of an exchange. */
  readonly isFollowed: boolean
  /** Since the start: what readers were not sent, since they or the gateway had too much to do. */
  readonly dropped: number
  publish(record: Recorded): void
  /** What the reader gets, until it leaves. Undefined if there are too many. */
  follow(wants: (record: Recorded) => boolean, frame: (json: string) => string): Readable | undefined
  close(): void
}

interface Reader {
  stream: Readable
  wants: (record: Recorded) => boolean
  frame: (json: string) => string
  missed: number
}

const MAX_READERS = 16
/** Bytes that may wait for one reader. */
const MAX_WAITING = 262_144
/** Exchanges in a tenth of a second: following must not cost what it shows. */
const MAX_SHOWN = 200
/** Milliseconds. */
const INTERVAL = 100
const PING = 15_000

/** Exchanges as they end, as one line of JSON each, for those who follow. What a reader misses it is told as a number. */
export function createLive(summary: (record: Recorded) => Summary): Live {
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
    publish(record) {
      const now = performance.now()
      if (now - since >= INTERVAL) {
        since = now
        shown = 0
      }
      let json: string | undefined
      for (const reader of readers) {
        if (!reader.wants(record)) continue
        if (shown >= MAX_SHOWN || reader.stream.readableLength > MAX_WAITING) {
          reader.missed++
          dropped++
          continue
        }
        if (json === undefined) {
          json = JSON.stringify(summary(record))
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
      // So that the head goes out.
      stream.push('\n')
      return stream
    },
    close() {
      for (const { stream } of readers) stream.push(null)
    }
  }

  /** A blank line, which in both framings says nothing. */
  function ping(): void {
    for (const { stream } of readers) if (stream.readableLength === 0) stream.push('\n')
  }
}
