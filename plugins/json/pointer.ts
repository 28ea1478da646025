/** Returns the name of a member as a JSON pointer has it (RFC 6901, 3). `~` first, or the one of `~1` would be escaped. */
export function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}
