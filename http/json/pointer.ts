/** Escapes a member's name for a JSON pointer (RFC 6901, 3). `~` first, so that the `~` of `~1` stays. */
export function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** Returns the name of the member. `~1` first, so that `~01` becomes `~1`. */
export function unescapePointer(name: string): string {
  return name.replaceAll('~1', '/').replaceAll('~0', '~')
}
