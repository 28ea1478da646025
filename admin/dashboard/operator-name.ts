/** Names of operators without a name: with a session, with a bearer token, and on a listener without a token. */
const PLACEHOLDERS = new Set(['session', 'token', 'anonymous'])

/** Returns the name that an operator gave; undefined without one. */
export function givenName(name: string | null | undefined): string | undefined {
  return name == null || name === '' || PLACEHOLDERS.has(name) ? undefined : name
}

/** Returns who did something, as a part of a sentence. */
export function operatorName(name: string): string {
  return givenName(name) ?? 'an operator without a name'
}
