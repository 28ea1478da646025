import type { Ended } from '../exchange-record.ts'
import { MASK } from '../redact/redactor.ts'
import { keep, mostOf, sizeOf } from './bodies.ts'
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

  /** Bytes that heads and bodies take up; a row is 190 more. */
  get weight(): number {
    return this.#bytes.length
  }

  get held(): number {
    return this.#held
  }

  add(number: number, ended: Ended): void {
    const limit = this.#limit
    const { id, traceparent, url, remote, rawHeaders, head, sent } = ended
    // None of these has a line break. The last is for one at the end.
    const lines: string[] = new Array(5 + rawHeaders.length)
    lines[0] = id
    lines[1] = traceparent
    lines[2] = url
    lines[3] = remote
    const lead = id.length + traceparent.length + url.length + remote.length + 4
    let most = lead + rawHeaders.length
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string
      const given = rawHeaders[i + 1] as string
      const value = given.length > LONG && isNeverShown(name) ? MASK : given
      lines[i + 4] = name
      lines[i + 5] = value
      most += name.length + value.length
    }
    lines[lines.length - 1] = ''

    let end = this.#reserve(most + head.length + mostOf(ended.received, limit) + mostOf(sent, limit))
    const bytes = this.#bytes
    const numbers = this.#numbers
    const row = this.#next * at.NUMBERS
    numbers[row + at.NUMBER] = number
    numbers[row + at.ENDED_AT] = ended.time
    numbers[row + at.MAJOR] = ended.major
    numbers[row + at.MINOR] = ended.minor
    numbers[row + at.IS_SECURE] = ended.isSecure ? 1 : 0
    numbers[row + at.IS_FAILED] = ended.isFailed ? 1 : 0
    numbers[row + at.BYTES_IN] = ended.bytesIn
    numbers[row + at.BYTES_OUT] = ended.bytesOut
    numbers[row + at.ELAPSED] = ended.elapsed
    numbers[row + at.ADMIT] = ended.admit
    numbers[row + at.WAIT] = ended.wait
    numbers[row + at.SEND] = ended.send
    numbers[row + at.START] = end
    numbers[row + at.LEAD] = end + lead
    end += bytes.latin1Write(lines.join('\n'), end)
    numbers[row + at.HEADERS] = end
    // Not joined with the others, which would be one more copy of it.
    end += bytes.latin1Write(head, end)
    numbers[row + at.HEAD] = end
    const received = keep(ended.received, limit, bytes, end)
    numbers[row + at.RECEIVED] = end += received
    numbers[row + at.RECEIVED_SIZE] = sizeOf(ended.received, received, limit)
    const kept = keep(sent, limit, bytes, end)
    numbers[row + at.SENT] = end += kept
    numbers[row + at.SENT_SIZE] = sizeOf(sent, kept, limit)

    const names = this.#names
    let place = this.#next * at.NAMES
    names[place++] = ended.outcome
    names[place++] = ended.consumer
    names[place++] = ended.cut

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
const LONG = 64

/** If long, most of what a head has in bytes, and masked for whoever reads it: it need not be in memory. */
function isNeverShown(name: string): boolean {
  return name === 'authorization' || name === 'Authorization' || name === 'cookie' || name === 'Cookie'
}

/** What `write` comes to with an encoding. */
interface Bytes extends Buffer {
  latin1Write(text: string, offset: number): number
}
