import { MASK } from '../redact/mask.ts'

/** Characters. */
const LONG = 64

/** Returns a header's value as it is stored: long credentials are masked for every reader, and would be most of the bytes. */
export function storedValue(name: string, value: string): string {
  return value.length > LONG && isCredential(name) ? MASK : value
}

function isCredential(name: string): boolean {
  return name === 'authorization' || name === 'Authorization' || name === 'cookie' || name === 'Cookie'
}
