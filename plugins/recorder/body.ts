/** The beginning of a body that goes by in chunks: they are kept as they are, up to a limit. */
export class Beginning {
  chunks: Buffer[] = []
  /** Bytes that went by, and that are kept. */
  size = 0
  kept = 0
  #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  add(bytes: Buffer): void {
    this.size += bytes.length
    const room = this.#limit - this.kept
    if (room <= 0) return
    const part = ownBytes(bytes, room)
    this.kept += part.length
    this.chunks.push(part)
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
