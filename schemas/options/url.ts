import Type from 'typebox'

export function Url(...protocols: string[]) {
  const message = `must be a URL that begins with ${protocols.map(protocol => `${protocol}//`).join(' or ')}`
  return Type.Refine(
    Type.String(),
    value => URL.canParse(value) && protocols.includes(new URL(value).protocol),
    () => message
  )
}

/**
 * Accepts only URLs that ioredis reads as they are meant: it takes any path for the number of a database (or NaN), and
 * every query parameter for one of its options.
 */
export function RedisUrl() {
  return Type.Refine(
    Type.String(),
    value => redisFault(value) === undefined,
    value => redisFault(value) as string
  )
}

/** Never with the value itself: it may hold a password. */
function redisFault(value: string): string | undefined {
  if (!/^rediss?:\/\//i.test(value) || !URL.canParse(value))
    return 'must be a URL that begins with redis:// or rediss://'
  const { hostname, pathname, search, hash, username, password } = new URL(value)
  if (hostname === '') return 'must name a host, such as redis://127.0.0.1:6379'
  if (!/^\/?$|^\/\d{1,4}$/.test(pathname))
    return 'must name a database by its number, such as redis://127.0.0.1:6379/0'
  if (!/^$|^\?family=[046]$/.test(search) || hash !== '')
    return 'must not have a query or a fragment, other than ?family=4 or 6'
  if (!canDecode(username) || !canDecode(password))
    return 'must have its user and password percent-encoded: % as %25, @ as %40, / as %2F'
  return undefined
}

function canDecode(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

export function TrustedUrl() {
  return Type.Refine(Type.String(), isTrustedUrl, value =>
    isTrustedOrigin(value)
      ? 'must not have a user or a password'
      : 'must be an https:// URL, or an http:// one on loopback'
  )
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** True for https, or http on loopback: other keys could be forged. fetch() rejects URLs with credentials. */
export function isTrustedUrl(value: string): boolean {
  if (!isTrustedOrigin(value)) return false
  const { username, password } = new URL(value)
  return username === '' && password === ''
}

function isTrustedOrigin(value: string): boolean {
  if (!URL.canParse(value)) return false
  const { protocol, hostname } = new URL(value)
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname))
}
