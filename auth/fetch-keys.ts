import { type Dispatcher, fetch } from 'undici'
import type { ExchangeTrace } from '../http/exchange-trace.ts'
import type { IssuerOptions } from '../schemas/options/jwt.ts'
import { isTrustedUrl } from '../schemas/options/url.ts'
import { isSame, type Key, toKey } from './jwk.ts'

const MAX_BYTES = 1_048_576
const MAX_KEYS = 100
/** Members of a key set that are read. */
const MAX_MEMBERS = 1_000

/**
 * Fetches the keys of an issuer that can verify tokens, each once.
 * @param trace of the exchange that waits for them, which gets a span for each request
 * @throws if there is no such key: that is a mistake of the issuer, and would reject every token
 */
export async function fetchKeys(
  { issuer, jwksUri, jwks: { timeout } }: IssuerOptions,
  dispatcher: Dispatcher | undefined,
  trace?: ExchangeTrace
): Promise<Key[]> {
  const signal = AbortSignal.timeout(timeout)
  const fetchJson = (uri: string) => traceFetch(uri, trace, fetchObject(uri, signal, dispatcher))
  const uri = jwksUri ?? (await discover(issuer, fetchJson))
  const { keys } = (await fetchJson(uri)) as { keys?: unknown }
  if (!Array.isArray(keys)) throw new Error(`${uri} is not a JWK Set`)
  const usable = keys.slice(0, MAX_MEMBERS).flatMap(jwk => toKey(jwk) ?? [])
  const distinct = usable.filter((key, i) => usable.findIndex(other => isSame(other, key)) === i)
  if (distinct.length === 0) throw new Error(`${uri} has no key that can verify a token`)
  return distinct.slice(0, MAX_KEYS)
}

/** OpenID Connect Discovery 1.0, 4.3: the document must name the same issuer. */
async function discover(issuer: string, fetchJson: (uri: string) => Promise<object>): Promise<string> {
  const uri = discoveryUrl(issuer)
  const document = (await fetchJson(uri)) as { issuer?: unknown; jwks_uri?: unknown }
  if (document.issuer !== issuer) throw new Error(`${uri} has another issuer`)
  if (typeof document.jwks_uri !== 'string' || !isTrustedUrl(document.jwks_uri))
    throw new Error(`${uri} has no https jwks_uri`)
  return document.jwks_uri
}

async function traceFetch<Value>(
  uri: string,
  trace: ExchangeTrace | undefined,
  fetched: Promise<Value>
): Promise<Value> {
  if (trace === undefined) return fetched
  const { origin, pathname, hostname, port, protocol } = new URL(uri)
  const span = trace.startCall('GET', {
    'http.request.method': 'GET',
    'url.full': origin + pathname,
    'server.address': hostname,
    'server.port': Number(port) || (protocol === 'https:' ? 443 : 80)
  })
  return fetched.then(
    value => {
      trace.end(span)
      return value
    },
    error => {
      trace.end(span, 'keys-unavailable')
      throw error
    }
  )
}

async function fetchObject(
  uri: string,
  signal: AbortSignal,
  dispatcher: Dispatcher | undefined
): Promise<object> {
  const headers = { accept: 'application/json' }
  const response = await fetch(uri, {
    signal,
    ...(dispatcher && { dispatcher }),
    redirect: 'error',
    headers
  })
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_BYTES) throw new Error(`${uri} has more than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  if (response.status !== 200) throw new Error(`${uri} responded with ${response.status}`)
  // Drops a byte order mark.
  const json: unknown = JSON.parse(new TextDecoder().decode(Buffer.concat(chunks)))
  if (typeof json !== 'object' || json === null) throw new Error(`${uri} is not a JSON object`)
  return json
}

/** Returns the URL of an issuer's OpenID Connect discovery. */
export function discoveryUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
}
