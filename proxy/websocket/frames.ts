import { randomBytes } from 'node:crypto'

/**
 * Checks the headers of passing WebSocket frames (RFC 6455, 5.2), so that only valid frames, and no message beyond the limit,
 * pass. Payloads are neither unmasked nor buffered.
 */
export interface FrameReader {
  /** Returns the bytes of `chunk`, and of an earlier incomplete frame header, that may pass. */
  read(chunk: Buffer): Buffer
  /** Lets the rest of the current frame pass, and no further one. */
  stop(): void
  /** Close code (RFC 6455, 7.4.1) for an invalid frame. */
  readonly fault: CloseCode | undefined
  /** True between two frames, where the gateway may insert one. */
  readonly isBetween: boolean
  /** Code of the close frame that has passed; 1005 without one. */
  readonly closeCode: number | undefined
}

export type CloseCode = 1001 | 1002 | 1008 | 1009

const CONTINUATION = 0x0
const BINARY = 0x2
const CLOSE = 0x8
const PONG = 0xa
const NOTHING: Buffer = Buffer.alloc(0)

/** `isMasked`: true for frames of a client (RFC 6455, 5.1). `limit`: bytes of a message with all fragments. */
export function createFrameReader(isMasked: boolean, limit: number): FrameReader {
  let rest = NOTHING
  let left = 0
  let message = 0
  let isFragmented = false
  let isStopped = false
  let fault: CloseCode | undefined
  let mask = NOTHING
  let code = NOTHING
  let isClosing = false

  return {
    read(chunk) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      rest = NOTHING
      let at = 0
      while (at < bytes.length) {
        if (left > 0) {
          const size = Math.min(left, bytes.length - at)
          if (isClosing && code.length < 2)
            code = Buffer.concat([code, bytes.subarray(at, at + Math.min(size, 2 - code.length))])
          left -= size
          at += size
          continue
        }
        if (isStopped || isClosing || fault !== undefined) break
        const length = lengthOfHead(bytes, at)
        if (bytes.length - at < length) {
          rest = bytes.subarray(at)
          break
        }
        fault = judge(bytes.subarray(at, at + length))
        if (fault === undefined) at += length
      }
      return bytes.subarray(0, at)
    },
    stop() {
      isStopped = true
    },
    get fault() {
      return fault
    },
    get isBetween() {
      return left === 0
    },
    get closeCode() {
      if (!isClosing) return undefined
      if (code.length < 2) return 1005
      return code.readUInt16BE() ^ (isMasked ? mask.readUInt16BE() : 0)
    }
  }

  function lengthOfHead(bytes: Buffer, at: number): number {
    const size = (bytes[at + 1] ?? 0) & 0x7f
    return 2 + (size === 126 ? 2 : size === 127 ? 8 : 0) + (isMasked ? 4 : 0)
  }

  function judge(head: Buffer): CloseCode | undefined {
    const first = head.readUInt8(0)
    const second = head.readUInt8(1)
    const isFinal = first >= 0x80
    const opcode = first & 0x0f
    // Reserved bits are for extensions, and none was negotiated.
    if ((first & 0x70) !== 0 || second >= 0x80 !== isMasked) return 1002
    let size = second & 0x7f
    if (opcode >= CLOSE) {
      if (opcode > PONG || !isFinal || size > 125 || (opcode === CLOSE && size === 1)) return 1002
      if (opcode === CLOSE) {
        isClosing = true
        mask = Buffer.from(head.subarray(-4))
      }
    } else {
      if (size === 126) size = head.readUInt16BE(2)
      else if (size === 127) size = Number(head.readBigUInt64BE(2))
      if (opcode > BINARY || (opcode === CONTINUATION) !== isFragmented) return 1002
      message = (isFragmented ? message : 0) + size
      if (message > limit) return 1009
      isFragmented = !isFinal
    }
    left = size
    return undefined
  }
}

/** Returns a close frame. `isMasked`: true for a service (RFC 6455, 5.3). `reason`: up to 123 bytes. */
export function closeFrame(code: CloseCode, isMasked: boolean, reason = ''): Buffer {
  const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)])
  if (!isMasked) return Buffer.concat([Buffer.from([0x88, payload.length]), payload])
  const mask = randomBytes(4)
  for (const [i, byte] of payload.entries()) payload[i] = byte ^ (mask[i % 4] as number)
  return Buffer.concat([Buffer.from([0x88, 0x80 | payload.length]), mask, payload])
}
