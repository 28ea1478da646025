import { MASK } from '../observe/redact/mask.ts'

/** Strings of a config that are shown as they are. All other strings may be secrets; `*` is any name or index. */
const TEXTS = [
  'admin.host',
  'admin.hosts.*',
  'issuers.*.audience',
  'issuers.*.claims.*',
  'issuers.*.claims.*.*',
  'listen.host',
  'listen.tls.minVersion',
  'log.level',
  'openapi.info.*',
  'openapi.info.license.*',
  'openapi.servers.*.description',
  'openapi.tags.*',
  'redact.names.*',
  'redact.paths.*',
  'scopes.*.compress.encodings.*',
  'scopes.*.cors.*.*',
  'scopes.*.ipFilter.*.*',
  'scopes.*.jwt',
  'scopes.*.passHeaders.*',
  'scopes.*.prefix',
  'scopes.*.priority',
  'scopes.*.rateLimit.*',
  'scopes.*.securityHeaders.policy.*.*',
  'scopes.*.version.*',
  'scopes.*.versions.*.brownouts.*.*',
  'scopes.*.versions.*.deprecated',
  'scopes.*.versions.*.successor',
  'scopes.*.versions.*.sunset',
  'tiers.*.counting',
  'tiers.*.limits.*.algorithm',
  'tiers.*.onRedisDown',
  'trustProxy.*',
  'upstreams.*.balance.hash.*',
  'upstreams.*.balance.policy',
  'upstreams.*.balance.sticky.cookie',
  'upstreams.*.dns.*',
  'upstreams.*.dns.servers.*',
  'upstreams.*.mirror.to',
  'upstreams.*.retry.methods.*',
  'upstreams.*.retry.on.*',
  'upstreams.*.split.by',
  'upstreams.*.split.override',
  'upstreams.*.tls.servername'
]
/** Shown without user, password, query and fragment. */
const URLS = [
  'issuers.*.issuer',
  'issuers.*.jwksUri',
  'openapi.servers.*.url',
  'redis.url',
  'scopes.*.versions.*.links.*',
  'upstreams.*.endpoints.*.url',
  'upstreams.*.health.path',
  'upstreams.*.url'
]
/** Shown if they are the path of a file, rather than a certificate or key. */
const FILES = [
  'listen.tls.cert',
  'listen.tls.key',
  'upstreams.*.tls.ca',
  'upstreams.*.tls.cert',
  'upstreams.*.tls.key'
]
/** Data of the user's own, in which anything may be a secret. */
const OPAQUE = ['upstreams.*.fallback.body']

const KINDS: [patterns: string[][], show: (text: string) => string][] = [
  [TEXTS.map(split), text => text],
  [URLS.map(split), showUrl],
  [FILES.map(split), text => (/^\.{0,2}\/[^\n]{1,250}$/.test(text) ? text : MASK)]
]
const opaque = OPAQUE.map(split)

/**
 * Returns a config as JSON that can be shown: names, numbers and the strings that are known to be no secrets. All other strings
 * are masked. Functions are shown as `[function name]`.
 */
export function describeConfig(config: unknown): unknown {
  return describe(config, [])
}

function describe(value: unknown, path: string[]): unknown {
  if (isOneOf(opaque, path)) return MASK
  if (typeof value === 'string')
    return KINDS.find(([patterns]) => isOneOf(patterns, path))?.[1](value) ?? MASK
  if (typeof value === 'function') return `[function ${value.name || 'anonymous'}]`
  if (Array.isArray(value)) return value.map((item, index) => describe(item, [...path, String(index)]))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [name, describe(member, [...path, name])])
    )
  return typeof value === 'number' || typeof value === 'boolean' || value === null ? value : undefined
}

function showUrl(text: string): string {
  if (text.startsWith('/')) return text.replace(/[?#].*$/s, `?${MASK}`)
  if (text.startsWith('unix:/')) return text
  if (!URL.canParse(text)) return MASK
  const { protocol, username, password, host, pathname, search, hash } = new URL(text)
  const user = username || password ? `${MASK}@` : ''
  return `${protocol}//${user}${host}${pathname}${search || hash ? `?${MASK}` : ''}`
}

function split(pattern: string): string[] {
  return pattern.split('.')
}

function isOneOf(patterns: string[][], path: string[]): boolean {
  return patterns.some(
    pattern => pattern.length === path.length && pattern.every((part, i) => part === '*' || part === path[i])
  )
}
