/**
 * Bytes of one exchange after another, in memory that is used again: what is kept for as long as a ring is would have
 * every string of a request moved into the old generation, and collected there.
 */
export class Slab {
  #bytes = NONE
  #end = 0

  /** Bytes that it takes up. */
  get capacity(): number {
    return this.#bytes.length
  }

  /** Empty again. What was far too large for what it held last is given back. */
  reset(): void {
    if (this.#bytes.length > STEP * 4 && this.#bytes.length > this.#end * 4) this.#bytes = NONE
    this.#end = 0
  }

  release(): void {
    this.#bytes = NONE
    this.#end = 0
  }

  /** As UTF-8, whole characters up to `most` bytes. Returns how many bytes were kept. */
  text(text: string, size: number, most: number): number {
    const room = Math.min(size, most)
    this.#reserve(room)
    const kept = this.#bytes.write(text, this.#end, room, 'utf8')
    this.#end += kept
    return kept
  }

  bytes(bytes: Uint8Array, most: number): number {
    const kept = Math.min(bytes.length, most)
    this.#reserve(kept)
    this.#bytes.set(kept < bytes.length ? bytes.subarray(0, kept) : bytes, this.#end)
    this.#end += kept
    return kept
  }

  /** A view: the next exchange is written over it. */
  read(start: number, length: number): Buffer {
    return this.#bytes.subarray(start, start + length)
  }

  #reserve(room: number): void {
    const needed = this.#end + room
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.ceil(needed / STEP) * STEP)
    larger.set(this.#bytes.subarray(0, this.#end))
    this.#bytes = larger
  }
}

const NONE = Buffer.alloc(0)
const STEP = 512
