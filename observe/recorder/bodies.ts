/** The beginning of a body that goes by in chunks, up to a limit. */
export class Beginning {
  chunks: Uint8Array[] = []
  /** Bytes that went by, and that are kept. */
  size = 0
  kept = 0
  #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Copied: whoever wrote it may use it again. */
  add(chunk: string | Uint8Array, encoding: BufferEncoding = 'utf8'): void {
    const room = this.#limit - this.kept
    if (room <= 0) this.size += typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.length
    else this.#copy(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk, room)
  }

  /** What has come over the network, which nobody writes to: as it is, unless it holds on to more than there is in it. */
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
    // Not of the pool, all of which it would hold on to.
    const own = Buffer.allocUnsafeSlow(Math.min(bytes.length, room))
    own.set(bytes.subarray(0, own.length))
    this.kept += own.length
    this.chunks.push(own)
  }
}

/** A body, or the beginning of one. */
export interface Kept {
  content: Buffer
  /** Of the whole body. */
  size: number
  isCut: boolean
}

/** Bytes that keeping a payload may take at most. */
export function mostOf(payload: unknown, limit: number): number {
  if (typeof payload === 'string') return Math.min(payload.length * 3, limit)
  if (payload instanceof Beginning) return Math.min(payload.kept, limit)
  return payload instanceof Uint8Array ? Math.min(payload.length, limit) : 0
}

/** Writes a payload at `start`, or its first `limit` bytes; of text, whole characters. Returns how many there are. */
export function keep(payload: unknown, limit: number, bytes: Buffer, start: number): number {
  if (typeof payload === 'string') return bytes.write(payload, start, Math.min(payload.length * 3, limit))
  if (payload instanceof Uint8Array) return copy(payload, limit, bytes, start)
  if (!(payload instanceof Beginning)) return 0
  let kept = 0
  for (const chunk of payload.chunks) kept += copy(chunk, limit - kept, bytes, start + kept)
  return kept
}

/** Bytes of a payload, of which so many have been kept; -1 for what is none, or cannot be kept. */
export function sizeOf(payload: unknown, kept: number, limit: number): number {
  // A character has four at most: one more would have been kept.
  if (typeof payload === 'string') return kept <= limit - 4 ? kept : Buffer.byteLength(payload)
  if (payload instanceof Beginning) return payload.size
  return payload instanceof Uint8Array ? payload.length : -1
}

function copy(from: Uint8Array, limit: number, to: Buffer, start: number): number {
  to.set(from.length > limit ? from.subarray(0, limit) : from, start)
  return Math.min(from.length, limit)
}
