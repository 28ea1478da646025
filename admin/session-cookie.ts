import type { FastifyRequest } from 'fastify'
import { ADMIN_COOKIE, SECURE_ADMIN_COOKIE } from '../http/admin-cookie.ts'

/** Returns the session id of the request's cookies. */
export function readSessionCookie({ headers: { cookie } }: FastifyRequest): string | undefined {
  return cookieOf(cookie, SECURE_ADMIN_COOKIE) ?? cookieOf(cookie, ADMIN_COOKIE)
}

/**
 * Returns the value of `Set-Cookie`. Without `id`, it removes the cookie. Scripts cannot read it, and browsers send it with
 * requests of this site's pages only. The `Origin` says whether the browser uses TLS: a proxy in front may end it.
 */
export function sessionCookie({ headers: { origin } }: FastifyRequest, id: string | undefined): string {
  const isSecure = origin?.startsWith('https:') === true
  const parts = [
    `${isSecure ? SECURE_ADMIN_COOKIE : ADMIN_COOKIE}=${id ?? ''}`,
    'Path=/',
    'HttpOnly',
    'SameSite=Strict'
  ]
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
