import type { ServerResponse } from 'node:http'
import type { Exchange } from '../exchange.ts'
import type { ProblemError } from '../problem.ts'
import { MASK } from '../redact/index.ts'
import { keep, mostOf, sizeOf } from './body.ts'
import * as at from './record.ts'

/**
 * The last exchanges: `size` of them, or fewer if their bytes are more than `memory`. Of each body there are the first
 * `limit` bytes.
 *
 * They lie one behind the other in memory that is walked through again and again, and nothing that a request has brought
 * with it is held on to: what is kept for as long as a ring is would have every string of a request moved into the old
 * generation, and collected there. But for long credentials, nothing is parsed, unpacked or redacted before somebody reads
 * it (see show.ts).
 */
export class Ring {
  #size: number
  #memory: number
  #limit: number
  #numbers: Float64Array
  #names: unknown[]
  #bytes = Buffer.alloc(0) as Bytes
  /** Where the bytes of the latest end. */
  #end = 0
  #next = 0
  #held = 0

  constructor(size: number, memory: number, limit: number) {
    this.#size = size
    this.#memory = memory
    this.#limit = limit
    this.#numbers = new Float64Array(size * at.NUMBERS)
    this.#names = new Array(size * at.NAMES).fill(undefined)
  }

  /** Bytes that heads and bodies take up; a row is 250 more. */
  get weight(): number {
    return this.#bytes.length
  }

  get held(): number {
    return this.#held
  }

  /** `now`: epoch milliseconds. */
  add(number: number, exchange: Exchange, now: number): void {
    const { reply, socket, startedAt, calledAt, answeredAt, endedAt } = exchange
    const { request } = reply
    const { raw } = request
    exchange.countBytes()
    const limit = this.#limit
    // None of these has a line break.
    const { rawHeaders } = raw
    const url = raw.url as string
    const { traceparent } = exchange
    const remote = socket.remoteAddress ?? ''
    let room = request.id.length + traceparent.length + url.length + remote.length + 4 + rawHeaders.length
    for (let i = 0; i < rawHeaders.length; i++) room += (rawHeaders[i] as string).length
    const head = headOf(reply.raw)
    const answer = head === '' ? undefined : exchange.sent

    room += head.length + mostOf(exchange.received, limit) + mostOf(answer, limit)

    let end = this.#reserve(room)
    const bytes = this.#bytes
    const numbers = this.#numbers
    const row = this.#next * at.NUMBERS
    numbers[row + at.NUMBER] = number
    numbers[row + at.ENDED_AT] = now
    numbers[row + at.MAJOR] = raw.httpVersionMajor
    numbers[row + at.MINOR] = raw.httpVersionMinor
    // HTTP/2 is over TLS only, and its sockets do not say.
    numbers[row + at.IS_SECURE] =
      raw.httpVersionMajor > 1 || (socket as { encrypted?: boolean }).encrypted === true ? 1 : 0
    numbers[row + at.STATUS] = head === '' ? 0 : reply.statusCode
    numbers[row + at.IS_FAILED] = exchange.isFailed ? 1 : 0
    numbers[row + at.ATTEMPTS] = exchange.attempts
    numbers[row + at.BYTES_IN] = exchange.bytesIn ?? Number.NaN
    numbers[row + at.BYTES_OUT] = exchange.bytesOut ?? Number.NaN
    numbers[row + at.MS] = exchange.elapsed
    numbers[row + at.ADMIT] = calledAt > 0 ? calledAt - startedAt : Number.NaN
    numbers[row + at.WAIT] = calledAt > 0 ? (answeredAt || endedAt) - calledAt : Number.NaN
    numbers[row + at.SEND] = answeredAt > 0 ? endedAt - answeredAt : Number.NaN
    numbers[row + at.START] = end
    // One by one: to write each takes less than to join them.
    end = writeLine(bytes, request.id, end)
    end = writeLine(bytes, traceparent, end)
    end = writeLine(bytes, url, end)
    numbers[row + at.LEAD] = end = writeLine(bytes, remote, end)
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string
      const value = rawHeaders[i + 1] as string
      end = writeLine(bytes, name, end)
      end = writeLine(bytes, value.length > LONG && NEVER_SHOWN.has(name) ? MASK : value, end)
    }
    numbers[row + at.HEADERS] = end
    numbers[row + at.HEAD] = end += bytes.latin1Write(head, end)
    const received = keep(exchange.received, limit, bytes, end)
    numbers[row + at.RECEIVED] = end += received
    numbers[row + at.RECEIVED_SIZE] = sizeOf(exchange.received, received, limit)
    const sent = keep(answer, limit, bytes, end)
    numbers[row + at.SENT] = end += sent
    numbers[row + at.SENT_SIZE] = sizeOf(answer, sent, limit)

    const names: at.Names = [
      raw.method as string,
      exchange.route,
      exchange.config,
      exchange.isWhole ? undefined : ((exchange.reason as ProblemError | undefined)?.code ?? 'unknown'),
      request.user?.sub,
      exchange.tier,
      exchange.decision,
      exchange.upstream,
      exchange.endpoint,
      exchange.cache
    ]
    const first = this.#next * at.NAMES
    for (let i = 0; i < at.NAMES; i++) this.#names[first + i] = names[i]

    this.#end = end
    this.#next = (this.#next + 1) % this.#size
    this.#held++
  }

  /** There must be one. */
  get latest(): at.Recorded {
    return this.#read(1)
  }

  /** The latest first. */
  *[Symbol.iterator](): Generator<at.Recorded> {
    for (let age = 1; age <= this.#held; age++) yield this.#read(age)
  }

  #read(age: number): at.Recorded {
    const place = this.#placeOf(age)
    return new at.Recorded(
      this.#numbers.subarray(place * at.NUMBERS, (place + 1) * at.NUMBERS),
      this.#names.slice(place * at.NAMES, (place + 1) * at.NAMES) as at.Names,
      this.#bytes
    )
  }

  /**
   * Where so many bytes can be written: behind the latest, or at the beginning once the end has been reached and there
   * are as many as there may be. The oldest make room.
   */
  #reserve(room: number): number {
    const isFull = this.#held === this.#size
    if (isFull) this.#held--
    while (this.#held > 0) {
      const oldest = this.#numbers[this.#placeOf(this.#held) * at.NUMBERS + at.START] as number
      if (this.#end > oldest) {
        if (this.#end + room <= this.#bytes.length) return this.#end
        if (!isFull && this.#end + room <= this.#memory) {
          this.#grow(this.#end + room)
          return this.#end
        }
        this.#end = 0
      }
      if (this.#end + room <= oldest) return this.#end
      this.#held--
    }
    if (room > this.#bytes.length) this.#grow(room)
    return 0
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(
      Math.max(needed, Math.min(this.#memory, Math.ceil(this.#bytes.length * GROWTH)))
    ) as Bytes
    larger.set(this.#bytes.subarray(0, this.#end))
    this.#bytes = larger
  }

  /** `age`: 1 for the latest. */
  #placeOf(age: number): number {
    return (this.#next - age + this.#size) % this.#size
  }
}

const GROWTH = 1.5
/** Most of what a head has in bytes, and masked for whoever reads it: it need not be in memory. */
const NEVER_SHOWN = new Set(['authorization', 'Authorization', 'cookie', 'Cookie'])
const LONG = 64

/** What `write` comes to with an encoding, which it would look at for each of twenty strings. */
interface Bytes extends Buffer {
  latin1Write(text: string, offset: number): number
}

/** Returns where the line ends. */
function writeLine(bytes: Bytes, text: string, start: number): number {
  const end = start + bytes.latin1Write(text, start)
  bytes[end] = 10
  return end + 1
}

/** Node's own text of the head, which there is once it has been written; HTTP/2 has no such thing. */
function headOf(raw: ServerResponse): string {
  const head = (raw as unknown as { _header?: string | null })._header
  if (typeof head === 'string') return head
  if (!raw.headersSent) return ''
  const lines = Object.entries(raw.getHeaders()).flatMap(([name, value]) =>
    name.startsWith(':') ? [] : [value].flat().map(one => `${name}: ${one}\r\n`)
  )
  return `HTTP/2 ${raw.statusCode}\r\n${lines.join('')}\r\n`
}
