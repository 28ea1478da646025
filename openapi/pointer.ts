import { escapePointer } from '../http/json/pointer.ts'

/** Returns the step of a JSON pointer (RFC 6901) to a member: `/a~1b`. */
export function pointerTo(name: string | number): string {
  return `/${escapePointer(String(name))}`
}
