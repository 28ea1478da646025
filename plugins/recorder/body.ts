import type { Readable } from 'node:stream'
import type { Exchange } from '../exchange.ts'

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
  /** Text is only kept as such if it is whole. */
  content: string | Buffer[] | undefined
  /** Of the whole body; undefined if there was none. */
  size: number | undefined
  isCut: boolean
}

export const NOTHING: Kept = { content: undefined, size: undefined, isCut: false }

/** What is kept of a payload, up to `limit` bytes. By reference, but for what would hold on to much more. */
export function keep(payload: unknown, limit: number): Kept {
  if (payload === undefined || payload === null) return NOTHING
  if (payload instanceof Tap) {
    const { chunks, size, kept } = payload
    if (kept <= limit) return { content: chunks, size, isCut: kept < size }
    const all = Buffer.concat(chunks)
    return { content: [ownBytes(all, limit)], size, isCut: true }
  }
  if (typeof payload === 'string') {
    // At most three bytes a character.
    if (payload.length * 3 <= limit) return { content: payload, size: undefined, isCut: false }
    const size = Buffer.byteLength(payload)
    if (size <= limit) return { content: payload, size, isCut: false }
    return { content: [ownBytes(Buffer.from(payload.slice(0, limit)), limit)], size, isCut: true }
  }
  if (payload instanceof Uint8Array) {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    return { content: [ownBytes(bytes, limit)], size: bytes.length, isCut: bytes.length > limit }
  }
  return NOTHING
}

/** A small part of a large buffer would keep all of it. */
function ownBytes(bytes: Buffer, limit: number): Buffer {
  const part = bytes.length > limit ? bytes.subarray(0, limit) : bytes
  if (part.buffer.byteLength <= part.length * 2 + SLACK) return part
  const own = Buffer.allocUnsafeSlow(part.length)
  part.copy(own)
  return own
}

/** Bytes: the head of an answer that came in one piece with its body. */
const SLACK = 2_048
