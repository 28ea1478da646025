import type { FastifyRequest } from 'fastify'

const NAME = 'sluice-admin'
/** Browsers accept the prefix only from the host itself over TLS, without `Domain` (RFC 6265bis, 4.1.3.2). */
const SECURE_NAME = `__Host-${NAME}`

/** Returns the session id of the request's cookies. */
export function readSessionCookie({ headers: { cookie } }: FastifyRequest): string | undefined {
  return cookieOf(cookie, SECURE_NAME) ?? cookieOf(cookie, NAME)
}

/**
 * Returns the value of `Set-Cookie`. Without `id`, it removes the cookie. Scripts cannot read it, and browsers send it with
 * requests of this site's pages only. The `Origin` says whether the browser uses TLS: a proxy in front may end it.
 */
export function sessionCookie({ headers: { origin } }: FastifyRequest, id: string | undefined): string {
  const isSecure = origin?.startsWith('https:') === true
  const parts = [`${isSecure ? SECURE_NAME : NAME}=${id ?? ''}`, 'Path=/', 'HttpOnly', 'SameSite=Strict']
  if (isSecure) parts.push('Secure')
  if (id === undefined) parts.push('Max-Age=0')
  return parts.join('; ')
}

function cookieOf(cookie: string | undefined, name: string): string | undefined {
  for (const pair of cookie?.split(';') ?? []) {
    const [key, value] = pair.trim().split('=', 2)
    if (key === name) return value
  }
  return undefined
}
