import type { Readable } from 'node:stream'
import type { Exchange } from '../exchange.ts'
import type { Slab } from './slab.ts'

/**
 * The beginning of a body that streams by: its chunks, as they are, up to a limit that is asked for with the first of
 * them, when it is known who calls. The stream stays as it was: whoever is to read it starts it.
 */
export class Tap {
  chunks: Buffer[] = []
  /** Bytes that went by, and that are kept. */
  size = 0
  kept = 0
  #limit = -1

  constructor(stream: Readable, exchange: Exchange, limitOf: (exchange: Exchange) => number) {
    // Otherwise a listener would set it going.
    stream.pause()
    stream.on('data', (chunk: Buffer | string) => {
      if (this.#limit === -1) this.#limit = limitOf(exchange)
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      this.size += bytes.length
      const room = this.#limit - this.kept
      if (room <= 0) return
      const part = ownBytes(bytes, room)
      this.kept += part.length
      this.chunks.push(part)
    })
  }
}

/** A body, or the beginning of one. */
export interface Kept {
  content: Buffer
  /** Of the whole body. */
  size: number
  isCut: boolean
}

/** Bytes of a payload; -1 for what is none, or cannot be kept. */
export function sizeOf(payload: unknown): number {
  if (payload instanceof Tap) return payload.size
  if (typeof payload === 'string') return Buffer.byteLength(payload)
  return payload instanceof Uint8Array ? payload.length : -1
}

/** Writes a payload of `size` bytes, or its first `limit`. Returns how many there are of it. */
export function keep(payload: unknown, size: number, limit: number, slab: Slab): number {
  if (size <= 0) return 0
  if (typeof payload === 'string') return slab.text(payload, size, limit)
  if (payload instanceof Uint8Array) return slab.bytes(payload, limit)
  let kept = 0
  for (const chunk of (payload as Tap).chunks) kept += slab.bytes(chunk, limit - kept)
  return kept
}

/** A small part of a large buffer would keep all of it while the rest streams by. */
function ownBytes(bytes: Buffer, limit: number): Buffer {
  const part = bytes.length > limit ? bytes.subarray(0, limit) : bytes
  if (part.buffer.byteLength <= part.length * 2 + SLACK) return part
  const own = Buffer.allocUnsafeSlow(part.length)
  part.copy(own)
  return own
}

/** Bytes: the head of an answer that came in one piece with its body. */
const SLACK = 2_048
