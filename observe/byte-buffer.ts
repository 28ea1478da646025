/**
 * Text that is put together as octets, piece by piece, and is never a string: that would have to be made, read again and
 * collected. What has been written ends at `end`.
 */
export class Octets {
  bytes: Bytes
  end = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes as Bytes
  }

  /** In UTF-8. */
  text(text: string): void {
    this.reserve(text.length * 3)
    this.end += this.bytes.utf8Write(text, this.end)
  }

  ascii(text: string): void {
    const { length } = text
    this.reserve(length)
    const { bytes, end } = this
    if (length > SHORT) bytes.latin1Write(text, end)
    else for (let i = 0; i < length; i++) bytes[end + i] = text.charCodeAt(i)
    this.end = end + length
  }

  copy(octets: Uint8Array): void {
    this.reserve(octets.length)
    this.bytes.set(octets, this.end)
    this.end += octets.length
  }

  /** Makes room for so many more octets. */
  reserve(size: number): void {
    if (this.end + size > this.bytes.length) this.makeRoom(size)
  }

  toString(): string {
    return this.bytes.toString('utf8', 0, this.end)
  }

  protected makeRoom(size: number): void {
    const larger = Buffer.allocUnsafeSlow((this.end + size) * 2) as Bytes
    larger.set(this.bytes.subarray(0, this.end))
    this.bytes = larger
  }
}

/** A natural number in decimal, the last digit just before `end`. */
export function writeNumber(bytes: Uint8Array, end: number, value: number): void {
  if (value > MOST) {
    const text = String(value)
    for (let i = 1; i <= text.length; i++) bytes[end - i] = text.charCodeAt(text.length - i)
    return
  }
  do {
    const rest = (value / 10) | 0
    bytes[--end] = ZERO + value - rest * 10
    value = rest
  } while (value > 0)
}

/** One up to 999, in three digits. */
export function writeThreeDigits(bytes: Uint8Array, end: number, value: number): void {
  const tens = (value / 10) | 0
  const hundreds = (tens / 10) | 0
  bytes[end - 3] = ZERO + hundreds
  bytes[end - 2] = ZERO + tens - hundreds * 10
  bytes[end - 1] = ZERO + value - tens * 10
}

/** As node has them, without what they check first. */
interface Bytes extends Buffer {
  latin1Write(text: string, offset: number): number
  utf8Write(text: string, offset: number): number
}

/** Characters that are sooner written one by one than handed to what is native. */
const SHORT = 16
/** As what is shifted by bits. */
const MOST = 2 ** 31 - 1
const ZERO = 48
