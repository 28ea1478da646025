import { isIP } from 'node:net'
import Type from 'typebox'
import { withDefault } from './defaults.ts'
import { TlsOptions } from './tls.ts'

/** Bytes of a Unix socket's path that every system takes. */
const MAX_SOCKET_PATH = 103

const EndpointUrl = Type.Refine(
  Type.String(),
  value => endpointUrlFault(value) === undefined,
  value => endpointUrlFault(value) as string
)

/** Never with the value itself: it may hold a password. */
function endpointUrlFault(value: string): string | undefined {
  if (/^unix:\/[^/\0][^\0]*$/.test(value) && Buffer.byteLength(value) - 5 <= MAX_SOCKET_PATH) return undefined
  if (!URL.canParse(value))
    return /^https?:\/\//i.test(value) ? 'must have a valid host and a port up to 65535' : NO_ENDPOINT_URL
  const { protocol, search, hash } = new URL(value)
  if (protocol !== 'http:' && protocol !== 'https:') return NO_ENDPOINT_URL
  return search === '' && hash === '' ? undefined : 'must not have a query or a fragment'
}

const NO_ENDPOINT_URL = `must be a URL that begins with http:// or https://, or unix: and the absolute path of a socket (${MAX_SOCKET_PATH} bytes at most)`

const EndpointOptions = Type.Object(
  {
    /** A base URL, whose path, if any, is put before every request's; or `unix:/run/app.sock`. */
    url: EndpointUrl,
    /** Its share of the calls, against the others'. */
    weight: withDefault(Type.Integer({ minimum: 1, maximum: 65_535 }), 1)
  },
  { additionalProperties: false }
)

export const DnsOptions = Type.Object(
  {
    /** The full name: no search domains, no hosts file. It is also the `Host` and what a certificate must name. */
    name: Type.Refine(
      Type.String({ maxLength: 253 }),
      value => /^\w([\w-]*\w)?(\.\w([\w-]*\w)?)*\.?$/.test(value) && isIP(value) === 0,
      () => 'must be a host name'
    ),
    /** `A` asks for addresses of both families, `SRV` for targets with their ports, priorities and weights. */
    type: withDefault(Type.Enum(['A', 'SRV']), 'A'),
    /** Of the addresses; SRV brings its own. */
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    /** Only addresses of this one. */
    family: Type.Optional(Type.Enum([4, 6])),
    protocol: withDefault(Type.Enum(['http', 'https']), 'http'),
    /** Put before every request's path. */
    path: withDefault(
      Type.Refine(
        Type.String(),
        value => value === '' || /^(\/[\w.~-]+)+$/.test(value),
        () => 'must be a path such as /api, without a slash at its end'
      ),
      ''
    ),
    /** Milliseconds between lookups, at most; sooner where a time to live is known, but never under a second. */
    refresh: withDefault(Type.Integer({ minimum: 1_000 }), 30_000),
    /** Addresses of the DNS servers to ask instead of the system's, `127.0.0.1:53`. */
    servers: Type.Optional(
      Type.Array(
        Type.Refine(
          Type.String(),
          isServer,
          () => 'must be an address, 10.0.0.2 or 10.0.0.2:53 or [fd00::2]:53'
        ),
        { minItems: 1 }
      )
    )
  },
  { additionalProperties: false }
)
export type DnsOptions = Type.Static<typeof DnsOptions>

function isServer(value: string): boolean {
  const [, bracketed, plain, port] = /^(?:\[([\da-f:.]+)\]|([\d.]+))(?::(\d{1,5}))?$/i.exec(value) ?? []
  return isIP(value) !== 0 || (isIP(bracketed ?? plain ?? '') !== 0 && Number(port ?? 53) <= 65_535)
}

const HeaderName = Type.Refine(
  Type.String(),
  value => /^[a-z0-9][a-z0-9-]{0,63}$/.test(value),
  () => 'must be a header in lower case'
)
const CookieName = Type.Refine(
  Type.String(),
  value => /^[\w-]{1,64}$/.test(value),
  () => "must be a cookie's name: letters, digits, _ or -"
)

export const BalanceOptions = Type.Object(
  {
    policy: withDefault(Type.Enum(['p2c', 'round-robin', 'weighted', 'least-requests', 'hash']), 'p2c'),
    /** What `hash` goes by; without it, or where a request has none, by consumer: the token's `sub`, or the address. */
    hash: Type.Optional(
      Type.Object(
        { header: Type.Optional(HeaderName), cookie: Type.Optional(CookieName) },
        { additionalProperties: false, maxProperties: 1 }
      )
    ),
    /** A client's later calls go to the endpoint that its first one went to, by a cookie of the gateway's own. */
    sticky: Type.Optional(
      Type.Object(
        {
          /** By default `sluice-` and the upstream's name. */
          cookie: Type.Optional(CookieName),
          /** The secret with which endpoints are named in it: the same in every gateway. */
          key: Type.String({ minLength: 16 })
        },
        { additionalProperties: false }
      )
    ),
    /** Fewer endpoints in rotation than this share of them: all are used, since it is rather the check that fails. */
    panic: withDefault(Type.Number({ minimum: 0, maximum: 1 }), 0.5)
  },
  { additionalProperties: false }
)
export type BalanceOptions = Type.Static<typeof BalanceOptions>

export const HealthOptions = Type.Object(
  {
    /** Sent by GET; the endpoint's own path comes before it. */
    path: Type.Refine(
      Type.String(),
      value => /^\/[\x21-\x7e]*$/.test(value),
      () => 'must be a path such as /healthz'
    ),
    /** Milliseconds from a check's end to the next one, up to a tenth less. */
    interval: withDefault(Type.Integer({ minimum: 10 }), 5_000),
    /** Milliseconds to an answer's last byte. */
    timeout: withDefault(Type.Integer({ minimum: 1 }), 2_000),
    /** Good checks in a row that bring an endpoint back. */
    healthy: withDefault(Type.Integer({ minimum: 1 }), 1),
    /** Bad checks in a row that take it out. */
    unhealthy: withDefault(Type.Integer({ minimum: 1 }), 3),
    /** The good answers; without it, any 2xx. */
    status: Type.Optional(Type.Array(Type.Integer({ minimum: 200, maximum: 599 }), { minItems: 1 }))
  },
  { additionalProperties: false }
)
export type HealthOptions = Type.Static<typeof HealthOptions>

export const EjectionOptions = Type.Object(
  {
    /** Failures in a row that eject an endpoint. */
    failures: withDefault(Type.Integer({ minimum: 1 }), 5),
    /** Ejects too one whose share of failures is above all others' together by `margin`. */
    rate: withDefault(
      Type.Object(
        {
          margin: withDefault(Type.Number({ exclusiveMinimum: 0, maximum: 1 }), 0.3),
          /** Calls within `window` ms that both must have had. */
          volume: withDefault(Type.Integer({ minimum: 1 }), 100),
          window: withDefault(Type.Integer({ minimum: 100 }), 10_000)
        },
        { additionalProperties: false }
      ),
      {}
    ),
    /** Milliseconds of the first ejection; the second takes twice that, and so on. */
    time: withDefault(Type.Integer({ minimum: 1 }), 30_000),
    maxTime: withDefault(Type.Integer({ minimum: 1 }), 300_000),
    /** The share of the endpoints that may be ejected at once; 0 ejects none. */
    maxShare: withDefault(Type.Number({ minimum: 0, maximum: 1 }), 0.5)
  },
  { additionalProperties: false }
)
export type EjectionOptions = Type.Static<typeof EjectionOptions>

/** Where an upstream is, and how its endpoints are chosen, watched and connected to. */
export const endpointsMembers = {
  /** The one endpoint; or else `endpoints`, or `dns`. */
  url: Type.Optional(EndpointUrl),
  endpoints: Type.Optional(Type.Array(EndpointOptions, { minItems: 1, maxItems: 256 })),
  dns: Type.Optional(DnsOptions),
  balance: withDefault(BalanceOptions, {}),
  /** Active checks; none without it. */
  health: Type.Optional(HealthOptions),
  /** What is learned from calls. Only of use with two endpoints or more. */
  ejection: withDefault(EjectionOptions, {}),
  /** Connections to an endpoint, kept at most. Calls beyond them wait in line, under their deadline. */
  connections: withDefault(Type.Integer({ minimum: 1 }), 256),
  /** Milliseconds to get a connection. */
  connectTimeout: withDefault(Type.Integer({ minimum: 1 }), 2_000),
  /** Bytes of the names and values of a response's headers; by default `http.maxHeaderSize` of the gateway. */
  maxHeaderSize: Type.Optional(Type.Integer({ minimum: 1_024, maximum: 1_048_576 })),
  /** HTTP/2: over https if the service offers it (ALPN), over http without asking. */
  http2: withDefault(Type.Boolean(), false),
  tls: Type.Optional(TlsOptions)
}
const EndpointsOptions = Type.Object(endpointsMembers)
export type EndpointsOptions = Type.Static<typeof EndpointsOptions>

/** What a schema cannot say of an upstream: which members go together. */
export function endpointsFaults(upstream: Record<string, unknown>): { path: string; message: string }[] {
  const { url, endpoints, dns, balance } = upstream as Partial<EndpointsOptions>
  const given = ['url', 'endpoints', 'dns'].filter(member => upstream[member] !== undefined)
  if (given.length === 0)
    return [{ path: '/url', message: 'is missing: an upstream has url, endpoints or dns' }]
  const faults = given
    .slice(1)
    .map(member => ({ path: `/${member}`, message: `cannot stand beside ${given[0]}: only one of them` }))
  if (Array.isArray(endpoints)) {
    const urls = endpoints.map(endpoint => endpoint?.url)
    urls.forEach((one, index) => {
      if (one !== undefined && urls.indexOf(one) !== index)
        faults.push({
          path: `/endpoints/${index}/url`,
          message: `is the same as /endpoints/${urls.indexOf(one)}`
        })
    })
  }
  if (dns?.type === 'A' && dns.port === undefined)
    faults.push({ path: '/dns/port', message: 'is missing: only SRV brings ports' })
  if (dns?.type === 'SRV' && dns.port !== undefined)
    faults.push({ path: '/dns/port', message: 'is not taken: SRV brings its own' })
  if (balance?.hash !== undefined && balance.policy !== 'hash')
    faults.push({ path: '/balance/hash', message: "is of no use: the policy is not 'hash'" })
  if (balance?.sticky !== undefined && url !== undefined)
    faults.push({ path: '/balance/sticky', message: 'is of no use: there is one endpoint' })
  return faults
}
