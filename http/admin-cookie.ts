/** Cookie with the id of an operator's session on the dashboard. */
export const ADMIN_COOKIE = 'sluice-admin'
/** Its name over TLS. Browsers accept the prefix only from the host itself, without `Domain` (RFC 6265bis, 4.1.3.2). */
export const SECURE_ADMIN_COOKIE = `__Host-${ADMIN_COOKIE}`

const PAIR = new RegExp(`^(__Host-)?${ADMIN_COOKIE}$`)

/**
 * Removes the session of the dashboard from a `Cookie` header; undefined if nothing is left. Cookies do not tell ports apart
 * (RFC 6265, 8.5), so browsers send it to the gateway's own port of the same host too, and a service could act as the operator.
 */
export function withoutAdminSession(cookie: string): string | undefined {
  if (!cookie.includes(ADMIN_COOKIE)) return cookie
  const pairs = cookie.split(';').filter(pair => !PAIR.test((pair.split('=', 1)[0] as string).trim()))
  return pairs.length === 0 ? undefined : pairs.join(';').trim()
}
