import type { RedactOptions } from '../../schemas/log.ts'
import { maskJson } from './json.ts'

/**
 * What of a request or an answer people may see. Secrets are told by the names that they are under, in headers, queries,
 * path parameters, forms and JSON alike, and the configured names and paths come on top. A mask is the same for every
 * value: one that differed would let whoever can send a guess and look at the recorder check it.
 */
export interface Redactor {
  isSecret(name: string): boolean
  header(name: string, value: string): string
  /** A path with its query. `route`: the pattern, whose parameters may be secrets. */
  url(url: string, route?: string): string
  /** A body of that content type, or as much of it as there is. */
  body(text: string, type: string): string
}

export const MASK = '[redacted]'

/** Credentials, by what people call them; `code` is OAuth's. */
const SECRET =
  /authorization|cookie|token|secret|passw(or)?d|passphrase|api[-_]?key|access[-_]?key|private[-_]?key|signature|credential|session|^(jwt|sig|key|code|pin|otp|cvv|cvc|ssn|auth|bearer|assertion)$/i
/** Values that are URLs themselves. */
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
/** Say nothing, and are looked at often. */
const HARMLESS = new Set([
  'access-control-expose-headers',
  'access-control-allow-credentials',
  'sec-websocket-key'
])

export function createRedactor({ names, paths }: RedactOptions): Redactor {
  const own = new Set(names.map(name => name.toLowerCase()))
  const compiled = paths.map(path => path.split('.'))

  const redactor: Redactor = {
    isSecret: name => own.has(name.toLowerCase()) || SECRET.test(name),
    header(name, value) {
      const key = name.toLowerCase()
      if (HARMLESS.has(key) && !own.has(key)) return value
      if (redactor.isSecret(key)) return MASK
      return URLS.has(key) || value.includes('?') ? redactor.url(value) : value
    },
    url(url, route) {
      const hash = url.indexOf('#')
      if (hash !== -1)
        return `${redactor.url(url.slice(0, hash), route)}#${redactor.isSecret(url.slice(hash + 1).split('=', 1)[0] as string) ? MASK : url.slice(hash + 1)}`
      const question = url.indexOf('?')
      const path = question === -1 ? url : url.slice(0, question)
      const shown = route?.includes(':') ? maskSegments(path, route) : withoutUserinfo(path)
      return question === -1 ? shown : `${shown}?${maskPairs(url.slice(question + 1))}`
    },
    body(text, type) {
      if (/^[\w.+-]+\/([\w.-]+\+)?json\b/i.test(type))
        return maskJson(text, redactor.isSecret, compiled, MASK)
      if (/^application\/x-www-form-urlencoded\b/i.test(type)) return maskPairs(text)
      return text
    }
  }
  return redactor

  function maskPairs(query: string): string {
    return query
      .split('&')
      .map(pair => {
        const equals = pair.indexOf('=')
        if (equals === -1) return pair
        const name = pair.slice(0, equals)
        // `token[]`, `user[password]`: as some services read names.
        return decode(name)
          .split(/[[\].]/)
          .some(redactor.isSecret)
          ? `${name}=${MASK}`
          : pair
      })
      .join('&')
  }

  /** The parts that stand for a parameter of a secret's name. */
  function maskSegments(path: string, route: string): string {
    const pattern = route.split('/')
    return path
      .split('/')
      .map((segment, i) => {
        const named = pattern[i]?.match(/:([\w]+)/g) ?? []
        return named.some(name => redactor.isSecret(name.slice(1))) ? MASK : segment
      })
      .join('/')
  }
}

function withoutUserinfo(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, `$1${MASK}@`)
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
