/** The first bytes, up to a limit, of a body that arrives or leaves in chunks. */
export class BodyPrefix {
  chunks: Uint8Array[] = []
  /** Bytes of the whole body so far. */
  size = 0
  /** Bytes in `chunks`. */
  kept = 0
  #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Adds a copy of a chunk, since its writer may reuse its memory. */
  add(chunk: string | Uint8Array, encoding: BufferEncoding = 'utf8'): void {
    const room = this.#limit - this.kept
    if (room <= 0) this.size += typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.length
    else this.#copy(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk, room)
  }

  /** Adds a chunk from the network, which nobody overwrites. Copies it only if it would keep more memory alive. */
  addReceived(chunk: Buffer): void {
    const room = this.#limit - this.kept
    if (chunk.length > room || chunk.length * 2 < chunk.buffer.byteLength) {
      this.#copy(chunk, room)
      return
    }
    this.size += chunk.length
    this.kept += chunk.length
    this.chunks.push(chunk)
  }

  #copy(bytes: Uint8Array, room: number): void {
    this.size += bytes.length
    if (room <= 0) return
    // Not from Buffer's pool, which the copy would keep alive.
    const own = Buffer.allocUnsafeSlow(Math.min(bytes.length, room))
    own.set(bytes.subarray(0, own.length))
    this.kept += own.length
    this.chunks.push(own)
  }
}

/** A stored body, or its beginning. */
export interface StoredBody {
  content: Buffer
  /** Bytes of the whole body. */
  size: number
  isTruncated: boolean
}

/** Returns an upper bound of the bytes that `storeBody` writes. */
export function maxStored(body: unknown, limit: number): number {
  if (typeof body === 'string') return Math.min(body.length * 3, limit)
  if (body instanceof BodyPrefix) return Math.min(body.kept, limit)
  return body instanceof Uint8Array ? Math.min(body.length, limit) : 0
}

/** Writes the first `limit` bytes of a body at `start`; of text, whole characters. Returns the number of bytes written. */
export function storeBody(body: unknown, limit: number, bytes: Buffer, start: number): number {
  if (typeof body === 'string') return bytes.write(body, start, Math.min(body.length * 3, limit))
  if (body instanceof Uint8Array) return copy(body, limit, bytes, start)
  if (!(body instanceof BodyPrefix)) return 0
  let stored = 0
  for (const chunk of body.chunks) stored += copy(chunk, limit - stored, bytes, start + stored)
  return stored
}

/** Returns the size of a body of which `stored` bytes were written, or -1 without a body that can be stored. */
export function sizeOfBody(body: unknown, stored: number, limit: number): number {
  // A character has at most four bytes: with room for one more, all of the text was written.
  if (typeof body === 'string') return stored <= limit - 4 ? stored : Buffer.byteLength(body)
  if (body instanceof BodyPrefix) return body.size
  return body instanceof Uint8Array ? body.length : -1
}

function copy(from: Uint8Array, limit: number, to: Buffer, start: number): number {
  to.set(from.length > limit ? from.subarray(0, limit) : from, start)
  return Math.min(from.length, limit)
}
