import type { Headers } from './call-types.ts'

/**
 * Where the service says that something is, as the client sees it (RFC 9110, 10.2.2 and 8.7; RFC 6265, 5.2).
 *
 * What is below one of `inner`, the URLs at which the service is asked, becomes a path below `outer`, the prefix at which the
 * gateway is. A path relative to the request's stays: both sides end alike. What is anywhere else is left alone.
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

/** A path, whatever the service wrote: so that nothing of who asked is believed. */
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
  // RFC 6265bis, 4.1.3.2: bound to the whole host, and to `Path=/`.
  if (/^__Host-/i.test(cookie)) return cookie
  const [pair, ...attributes] = cookie.split(';')
  const rewritten = attributes.flatMap(attribute => {
    const equals = attribute.indexOf('=')
    if (equals === -1) return [attribute]
    const name = attribute.slice(0, equals).trim().toLowerCase()
    const value = attribute.slice(equals + 1).trim()
    // The service's own name is none that the client knows; without it the cookie is the gateway's.
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

/** What follows `base` in `path`: nothing, or what begins with `/`. Undefined if `path` is not below `base`. */
function remainderOf(path: string, base: string): string | undefined {
  const prefix = base.replace(/\/$/, '')
  if (!path.startsWith(prefix)) return undefined
  const rest = path.slice(prefix.length)
  return rest === '' || rest.startsWith('/') ? rest : undefined
}

/** Never `//…`, which would name another host. */
function outerPath(outer: string, below: string): string {
  return (outer + below).replace(/^\/{2,}/, '/') || '/'
}
