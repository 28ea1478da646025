/** Escapes a member's name for a JSON pointer (RFC 6901, 3). `~` first, so that the `~` of `~1` stays. */
export function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}
