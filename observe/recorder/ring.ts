import type { ExchangeRecord } from '../exchange-record.ts'
import { type PackedAttempts, packAttempts, sizeOfAttempts, writeAttempts } from './attempts.ts'
import { maxStored, sizeOfBody, storeBody } from './bodies.ts'
import { storedValue } from './credentials.ts'
import * as columns from './stored-exchange.ts'

/** Keeps the latest exchanges. */
export interface ExchangeStore extends Iterable<columns.StoredExchange> {
  /** Number of exchanges. */
  readonly count: number
  /** Bytes of headers and bodies. */
  readonly bytes: number
  /** The exchange added last. */
  readonly latest: columns.StoredExchange
  add(number: number, record: ExchangeRecord): void
  /** Iterates from the latest to the oldest. */
  [Symbol.iterator](): Iterator<columns.StoredExchange>
}

/**
 * Keeps `size` exchanges, or fewer if their bytes exceed `memory`, with the first `bodyLimit` bytes of each body.
 *
 * Copies everything into one block of memory that is used again and again. Keeping the strings of requests instead would have
 * the garbage collector move all of them to the old generation and collect them there. Nothing is parsed, decompressed or
 * redacted before somebody reads it (see show.ts), except for long credentials, which are never stored.
 */
export class Ring implements ExchangeStore {
  #size: number
  #memory: number
  #bodyLimit: number
  #keepsUpstream: boolean
  #numbers: Float64Array
  #references: unknown[]
  #block = Buffer.alloc(0)
  /** Offset behind the bytes of the latest exchange. */
  #end = 0
  #next = 0
  #count = 0

  /** @param keepsUpstream true to store what was sent to services and what they responded */
  constructor(size: number, memory: number, bodyLimit: number, keepsUpstream = false) {
    this.#size = size
    this.#memory = memory
    this.#bodyLimit = bodyLimit
    this.#keepsUpstream = keepsUpstream
    this.#numbers = new Float64Array(size * columns.NUMBERS)
    this.#references = new Array(size * columns.REFERENCES).fill(undefined)
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#block.length
  }

  add(number: number, record: ExchangeRecord): void {
    const limit = this.#bodyLimit
    const { id, traceparent, url, remoteAddress, rawHeaders, responseHead, responseBody } = record
    // None of these contains a line break. The last element is for the line break at the end.
    const lines: string[] = new Array(5 + rawHeaders.length)
    lines[0] = id
    lines[1] = traceparent
    lines[2] = url
    lines[3] = remoteAddress
    const lead = id.length + traceparent.length + url.length + remoteAddress.length + 4
    let text = lead + rawHeaders.length
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string
      const value = storedValue(name, rawHeaders[i + 1] as string)
      lines[i + 4] = name
      lines[i + 5] = value
      text += name.length + value.length
    }
    lines[lines.length - 1] = ''

    const bodies = maxStored(record.requestBody, limit) + maxStored(responseBody, limit)
    const packed = this.#packAttempts(record)
    const attempts = packed === undefined ? 0 : sizeOfAttempts(packed, limit)
    let end = this.#reserve(text + responseHead.length + bodies + attempts)
    const block = this.#block
    const numbers = this.#numbers
    const row = this.#next * columns.NUMBERS
    numbers[row + columns.NUMBER] = number
    numbers[row + columns.ENDED_AT] = record.time
    numbers[row + columns.HTTP_MAJOR] = record.httpMajor
    numbers[row + columns.HTTP_MINOR] = record.httpMinor
    numbers[row + columns.IS_SECURE] = record.isSecure ? 1 : 0
    numbers[row + columns.IS_FAILED] = record.isFailed ? 1 : 0
    numbers[row + columns.BYTES_RECEIVED] = record.bytesReceived
    numbers[row + columns.BYTES_SENT] = record.bytesSent
    numbers[row + columns.DURATION] = record.durationUs
    numbers[row + columns.QUEUE] = record.queueUs
    numbers[row + columns.UPSTREAM] = record.upstreamUs
    numbers[row + columns.SEND] = record.sendUs
    numbers[row + columns.START] = end
    numbers[row + columns.LEAD_END] = end + lead
    end += block.write(lines.join('\n'), end, 'latin1')
    numbers[row + columns.REQUEST_HEADERS_END] = end
    // Written by itself, since joining it with the lines would copy it once more.
    end += block.write(responseHead, end, 'latin1')
    numbers[row + columns.RESPONSE_HEAD_END] = end
    const received = storeBody(record.requestBody, limit, block, end)
    numbers[row + columns.REQUEST_BODY_END] = end += received
    numbers[row + columns.REQUEST_BODY_SIZE] = sizeOfBody(record.requestBody, received, limit)
    const sent = storeBody(responseBody, limit, block, end)
    numbers[row + columns.RESPONSE_BODY_END] = end += sent
    numbers[row + columns.RESPONSE_BODY_SIZE] = sizeOfBody(responseBody, sent, limit)
    let jsonEnd = end
    if (packed !== undefined) [jsonEnd, end] = writeAttempts(packed, limit, block, end)
    numbers[row + columns.ATTEMPTS_JSON_END] = jsonEnd
    numbers[row + columns.ATTEMPTS_END] = end

    const references = this.#references
    let place = this.#next * columns.REFERENCES
    references[place++] = record.shared
    references[place++] = record.consumer
    references[place++] = record.abortReason
    references[place++] = record.clientAddress
    references[place++] = record.causeDetail

    this.#end = end
    this.#next = (this.#next + 1) % this.#size
    this.#count++
  }

  /** Returns the attempts to store: all with what was sent and received, or those that explain a failure or a duration. */
  #packAttempts({ attempts, isFailed, startedAt }: ExchangeRecord): PackedAttempts | undefined {
    if (attempts === undefined) return undefined
    if (this.#keepsUpstream) return packAttempts(attempts, startedAt, this.#bodyLimit)
    return attempts.length > 1 || isFailed ? packAttempts(attempts, startedAt, undefined) : undefined
  }

  /** The store must not be empty. */
  get latest(): columns.StoredExchange {
    return this.#read(1)
  }

  *[Symbol.iterator](): Generator<columns.StoredExchange> {
    for (let age = 1; age <= this.#count; age++) yield this.#read(age)
  }

  #read(age: number): columns.StoredExchange {
    const slot = this.#slotOf(age)
    return new columns.StoredExchange(
      this.#numbers.subarray(slot * columns.NUMBERS, (slot + 1) * columns.NUMBERS),
      this.#references.slice(
        slot * columns.REFERENCES,
        (slot + 1) * columns.REFERENCES
      ) as columns.References,
      this.#block
    )
  }

  /**
   * Returns the offset at which `room` bytes can be written: behind the latest exchange, or 0 once the block has reached its
   * maximum and its end. Forgets the oldest exchanges to make room.
   */
  #reserve(room: number): number {
    const isFull = this.#count === this.#size
    if (isFull) this.#count--
    while (this.#count > 0) {
      const oldest = this.#numbers[this.#slotOf(this.#count) * columns.NUMBERS + columns.START] as number
      if (this.#end > oldest) {
        if (this.#end + room <= this.#block.length) return this.#end
        if (!isFull && this.#end + room <= this.#memory) {
          this.#grow(this.#end + room)
          return this.#end
        }
        this.#end = 0
      }
      if (this.#end + room <= oldest) return this.#end
      this.#count--
    }
    if (room > this.#block.length) this.#grow(room)
    return 0
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(
      Math.max(needed, Math.min(this.#memory, Math.ceil(this.#block.length * GROWTH)))
    )
    larger.set(this.#block.subarray(0, this.#end))
    this.#block = larger
  }

  /** Returns the row of an exchange. `age`: 1 for the latest. */
  #slotOf(age: number): number {
    return (this.#next - age + this.#size) % this.#size
  }
}

const GROWTH = 1.5
