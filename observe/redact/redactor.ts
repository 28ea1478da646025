import type { RedactOptions } from '../../schemas/options/log.ts'
import { maskEvents } from './events.ts'
import { maskJson } from './json.ts'
import { MASK } from './mask.ts'
import { isSecretName } from './names.ts'
import { CREDENTIALS, hasSecretPair, maskTokens, maskUserinfo } from './text.ts'

export { MASK } from './mask.ts'

/**
 * Masks secrets in requests and responses that people read. Recognizes secrets by their names, in headers, queries,
 * fragments, path parameters, forms, JSON and in values nested in these, by their form, and by configured names and
 * paths. Text that seems to hold a secret which cannot be told from the rest is masked as a whole.
 */
export interface Redactor {
  isSecret(name: string): boolean
  header(name: string, value: string): string
  /** Masks a path with its query. `route`: its pattern, whose parameters may be secrets. */
  url(url: string, route?: string): string
  /** True if a parameter of the route's pattern is a secret. */
  hasSecretParameter(route: string): boolean
  /** Masks a body, which may be truncated. `type`: its content type. */
  body(text: string, type: string): string
}

/** Headers whose values are URLs. */
const URLS = new Set([
  'location',
  'content-location',
  'referer',
  'refresh',
  'link',
  'origin',
  'x-original-url',
  'x-rewrite-url'
])
/** Headers whose names look secret, but whose values are public. */
const HARMLESS = new Set([
  'access-control-expose-headers',
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-request-headers',
  'permissions-policy',
  'proxy-authenticate',
  'www-authenticate',
  'sec-websocket-key'
])
/** Levels of strings within strings, such as JSON in a form in JSON. */
const MAX_DEPTH = 4
/** A text without any of these contains no pair, URL or token. */
const SUSPICIOUS = /[=:{<%?#&]|\/\/|eyJ|bearer |basic |-----BEGIN/i

export function createRedactor({ names, paths }: RedactOptions): Redactor {
  const own = new Set(names.map(name => name.toLowerCase()))
  const compiled = paths.map(path => path.split('.'))
  /** By the patterns of routes, of which an app has so many. */
  const byRoute = new Map<string, number[]>()
  const isSecret = (name: string): boolean => own.has(name.toLowerCase()) || isSecretName(name)

  return {
    isSecret,
    header(name, value) {
      const key = name.toLowerCase()
      if (HARMLESS.has(key) && !own.has(key)) return maskUserinfo(value)
      if (isSecret(key) || CREDENTIALS.test(value)) return MASK
      // Browsers cannot send Authorization with a WebSocket handshake and send tokens here.
      if (key === 'sec-websocket-protocol' && /bearer|token|auth/i.test(value)) return MASK
      return URLS.has(key) || value.includes('?') ? maskUrl(value, 0) : maskText(value, 0)
    },
    url: (url, route) => maskUrl(url, 0, route),
    hasSecretParameter: route => secretSegments(route).length > 0,
    body(text, type) {
      const [essence = ''] = type.toLowerCase().split(';', 1)
      if (/json/.test(essence)) return maskJsonText(text, 0)
      if (essence.trim() === 'application/x-www-form-urlencoded') return maskPairs(text, 0)
      if (essence.trim() === 'text/event-stream') return maskEvents(text, data => maskText(data, 0))
      // The name and the value of a part are in different lines.
      if (essence.startsWith('multipart/')) return MASK
      if (TABLE.test(essence) && hasSecretColumn(text)) return MASK
      return maskText(text, 0)
    }
  }

  /** Masks a table if a column has a secret name. The first line has the names (RFC 4180, 2). */
  function hasSecretColumn(text: string): boolean {
    const end = text.search(/[\r\n]/)
    if (end === -1) return false
    return text
      .slice(0, end)
      .split(/[,;\t|]/)
      .some(name => isSecretPath(name.replace(/["'\ufeff]/g, '').trim()))
  }

  function maskUrl(url: string, depth: number, route?: string): string {
    const hash = url.indexOf('#')
    const main = hash === -1 ? url : url.slice(0, hash)
    const question = main.indexOf('?')
    const path = maskPath(question === -1 ? main : main.slice(0, question), route)
    const query = question === -1 ? '' : `?${maskPairs(main.slice(question + 1), depth)}`
    return path + query + (hash === -1 ? '' : maskFragment(url.slice(hash + 1), depth))
  }

  /** Masks a whole fragment, since applications put pairs there in many ways: `#access_token=x`, `#/cb?code=x`. */
  function maskFragment(fragment: string, depth: number): string {
    const question = fragment.indexOf('?')
    const isShown = maskPairs(fragment.slice(question + 1), depth) === fragment.slice(question + 1)
    return isShown && maskText(fragment, depth + 1) === fragment ? `#${fragment}` : `#${MASK}`
  }

  function maskPath(path: string, route: string | undefined): string {
    const authority = /^([a-z][a-z\d+.-]*:)?\/\/[^/]*/i.exec(path)?.[0] ?? ''
    const rest = path.slice(authority.length)
    const shown = route?.includes(':') ? maskSegments(rest, route) : rest
    // Parameters of a segment: `/cart;jsessionid=x`.
    const masked = shown.replace(/;([^;/=]+)=([^;/]*)/g, (pair, name) =>
      isSecret(decode(name)) ? `;${name}=${MASK}` : pair
    )
    return maskTokens(maskUserinfo(authority + masked))
  }

  /** Masks the segments of path parameters with secret names. */
  function maskSegments(path: string, route: string): string {
    const secret = secretSegments(route)
    if (secret.length === 0) return path
    return path
      .split('/')
      .map((segment, i) => (secret.includes(i) ? MASK : segment))
      .join('/')
  }

  /** Returns the indexes of a pattern's segments that have a parameter with a secret name. */
  function secretSegments(route: string): number[] {
    let secret = byRoute.get(route)
    if (secret === undefined) {
      secret = route.split('/').flatMap((segment, i) => {
        const named = segment.match(/:(\w+)/g) ?? []
        return named.some(name => isSecret(name.slice(1))) ? [i] : []
      })
      byRoute.set(route, secret)
    }
    return secret
  }

  /** Masks the pairs of a query or a form. */
  function maskPairs(query: string, depth: number): string {
    return query
      .split('&')
      .map(pair => {
        const equals = pair.indexOf('=')
        if (equals === -1) return maskValue(pair, depth)
        const name = pair.slice(0, equals)
        const value = pair.slice(equals + 1)
        if (isSecretPath(decode(name))) return `${name}=${MASK}`
        // Some servers accept `;` as `&`.
        const isHidden = value
          .split(';')
          .some(part => part.includes('=') && isSecretPath(decode(part.split('=', 1)[0] as string)))
        return `${name}=${isHidden ? MASK : maskValue(value, depth)}`
      })
      .join('&')
  }

  /** Handles `token[]` and `user[password]`, nested names that some services accept. */
  function isSecretPath(name: string): boolean {
    return isSecret(name) || name.split(/[[\].]/).some(isSecret)
  }

  function maskValue(value: string, depth: number): string {
    const decoded = decode(value.replaceAll('+', ' '))
    return maskText(decoded, depth + 1) === decoded ? value : MASK
  }

  function maskJsonText(text: string, depth: number): string {
    const masked = maskJson(text, {
      isSecret,
      paths: depth === 0 ? compiled : [],
      mask: MASK,
      maskString: value => maskText(value, depth + 1)
    })
    return masked.isSure || !hasSecretPair(masked.text, isSecret) ? masked.text : MASK
  }

  function maskText(text: string, depth: number): string {
    if (!SUSPICIOUS.test(text)) return text
    if (depth > MAX_DEPTH) return hasSecretPair(text, isSecret) ? MASK : text
    if (/^[\s\ufeff]*["[{]/.test(text)) return maskJsonText(text, depth)
    if (/^([a-z][a-z\d+.-]*:)?\/\/\S*$|^\/\S*$/i.test(text)) return maskUrl(text, depth)
    const isPairs = /^[^\s<>"'{}=&]+=[^\s<>"'{}]*$/.test(text)
    const masked = isPairs ? maskPairs(text, depth + 1) : maskTokens(maskUserinfo(text))
    if (hasSecretPair(masked, isSecret)) return MASK
    const decoded = unescapeMarkup(decode(text))
    return decoded === text || maskText(decoded, depth + 1) === decoded ? masked : MASK
  }
}

const TABLE = /csv|tab-separated-values/

/** Markup with a text content type. */
const ENTITY = /&(lt|gt|quot|apos|amp|#\d{1,4}|#x[\da-f]{1,4});/gi
const ENTITIES: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }

function unescapeMarkup(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(ENTITY, (_, entity: string) => {
    if (!entity.startsWith('#')) return ENTITIES[entity.toLowerCase()] as string
    const isHex = /^#x/i.test(entity)
    return String.fromCharCode(Number.parseInt(entity.slice(isHex ? 2 : 1), isHex ? 16 : 10))
  })
}

/** Number of times that a name or a value may be percent-encoded. */
const DECODINGS = 3

function decode(text: string): string {
  let decoded = text
  for (let i = 0; i < DECODINGS && decoded.includes('%'); i++) {
    try {
      decoded = decodeURIComponent(decoded)
    } catch {
      // One invalid escape must not hide the others.
      decoded = decoded.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    }
  }
  return decoded
}
