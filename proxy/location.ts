import type { Headers } from './call-types.ts'

/**
 * Rewrites URLs of the service for the client (RFC 9110, 10.2.2 and 8.7; RFC 6265, 5.2).
 *
 * A URL below one of `inner`, the service's base URLs, becomes a path below `outer`, the gateway's prefix. Relative paths stay,
 * since both paths end alike, and so do URLs of other hosts.
 */
export function rewriteLocations(headers: Headers, inner: readonly URL[], outer: string): void {
  for (const name of ['location', 'content-location']) {
    const value = headers[name]
    if (typeof value === 'string') headers[name] = outerLocation(value, inner, outer)
  }
  const cookies = headers['set-cookie']
  if (cookies !== undefined)
    headers['set-cookie'] = [cookies].flat().map(cookie => outerCookie(cookie, inner, outer))
}

/** Returns a path instead of a URL, so that the client's Host is not needed. */
function outerLocation(value: string, inner: readonly URL[], outer: string): string {
  const isRelative = !/^([a-z][a-z0-9+.-]*:|\/|\\)/i.test(value)
  if (isRelative) return value
  for (const base of inner) {
    if (!URL.canParse(value, base)) return value
    const { origin, pathname, search, hash } = new URL(value, base)
    const below = origin === base.origin ? remainderOf(pathname, base.pathname) : undefined
    if (below !== undefined) return outerPath(outer, below) + search + hash
  }
  return value
}

function outerCookie(cookie: string, inner: readonly URL[], outer: string): string {
  // RFC 6265bis, 4.1.3.2: `__Host-` cookies need `Path=/` and no domain.
  if (/^__Host-/i.test(cookie)) return cookie
  const [pair, ...attributes] = cookie.split(';')
  const rewritten = attributes.flatMap(attribute => {
    const equals = attribute.indexOf('=')
    if (equals === -1) return [attribute]
    const name = attribute.slice(0, equals).trim().toLowerCase()
    const value = attribute.slice(equals + 1).trim()
    // Clients do not know the service's host; without Domain the cookie belongs to the gateway.
    if (name === 'domain') {
      const domain = value.replace(/^\./, '').toLowerCase()
      return inner.some(({ hostname }) => hostname === domain) ? [] : [attribute]
    }
    if (name !== 'path' || !value.startsWith('/')) return [attribute]
    const below = inner.map(({ pathname }) => remainderOf(value, pathname)).find(rest => rest !== undefined)
    return [below === undefined ? attribute : ` Path=${outerPath(outer, below)}`]
  })
  return [pair, ...rewritten].join(';')
}

/** Returns the rest of `path` after `base`: empty or starting with `/`. Undefined if `path` is not below `base`. */
function remainderOf(path: string, base: string): string | undefined {
  const prefix = base.replace(/\/$/, '')
  if (!path.startsWith(prefix)) return undefined
  const rest = path.slice(prefix.length)
  return rest === '' || rest.startsWith('/') ? rest : undefined
}

/** Avoids `//…`, which would be another host. */
function outerPath(outer: string, below: string): string {
  return (outer + below).replace(/^\/{2,}/, '/') || '/'
}
