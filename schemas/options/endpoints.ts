import { isIP } from 'node:net'
import Type from 'typebox'
import { withDefault } from './defaults.ts'
import { TlsOptions } from './tls.ts'

/** Bytes of a Unix socket's path that every system accepts. */
const MAX_SOCKET_PATH = 103

const EndpointUrl = Type.Refine(
  Type.String(),
  value => endpointUrlFault(value) === undefined,
  value => endpointUrlFault(value) as string
)

/** Does not repeat the value, which may contain a password. */
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
    /** Base URL, whose path comes before that of every request, or `unix:/run/app.sock`. */
    url: EndpointUrl,
    /** Share of the calls compared to the others. */
    weight: withDefault(Type.Integer({ minimum: 1, maximum: 65_535 }), 1)
  },
  { additionalProperties: false }
)

export const DnsOptions = Type.Object(
  {
    /** Full name, without search domains or hosts file. Also the `Host` and the name that a certificate must have. */
    name: Type.Refine(
      Type.String({ maxLength: 253 }),
      value => /^\w([\w-]*\w)?(\.\w([\w-]*\w)?)*\.?$/.test(value) && isIP(value) === 0,
      () => 'must be a host name'
    ),
    /** `A` asks for addresses of both families, `SRV` for targets with their ports, priorities and weights. */
    type: withDefault(Type.Enum(['A', 'SRV']), 'A'),
    /** Port of the addresses. SRV records have their own. */
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    /** Uses only addresses of this family. */
    family: Type.Optional(Type.Enum([4, 6])),
    protocol: withDefault(Type.Enum(['http', 'https']), 'http'),
    /** Comes before the path of every request. */
    path: withDefault(
      Type.Refine(
        Type.String(),
        value => value === '' || /^(\/[\w.~-]+)+$/.test(value),
        () => 'must be a path such as /api, without a slash at its end'
      ),
      ''
    ),
    /** Longest time between look-ups in ms. A shorter time to live applies, but at least a second. */
    refresh: withDefault(Type.Integer({ minimum: 1_000 }), 30_000),
    /** Addresses of DNS servers, such as `127.0.0.1:53`. Default: the system's. */
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
    /** Key of the `hash` policy. Default, also for requests without it: the consumer, else the address. */
    hash: Type.Optional(
      Type.Object(
        { header: Type.Optional(HeaderName), cookie: Type.Optional(CookieName) },
        { additionalProperties: false, maxProperties: 1 }
      )
    ),
    /** Sends a client's later calls to the same endpoint, by a cookie of the gateway. */
    sticky: Type.Optional(
      Type.Object(
        {
          /** Default: `sluice-` and the upstream's name. */
          cookie: Type.Optional(CookieName),
          /** Secret for the names of endpoints in the cookie. It must be the same in all gateways. */
          key: Type.String({ minLength: 16 })
        },
        { additionalProperties: false }
      )
    ),
    /** Uses all endpoints if a smaller ratio of them is in rotation: the health check is then more likely to be wrong. */
    panicThreshold: withDefault(Type.Number({ minimum: 0, maximum: 1 }), 0.5)
  },
  { additionalProperties: false }
)
export type BalanceOptions = Type.Static<typeof BalanceOptions>

export const HealthOptions = Type.Object(
  {
    /** Path of the GET request, after the endpoint's own path. */
    path: Type.Refine(
      Type.String(),
      value => /^\/[\x21-\x7e]*$/.test(value),
      () => 'must be a path such as /healthz'
    ),
    /** Milliseconds from the end of a check to the next, minus up to a tenth. */
    interval: withDefault(Type.Integer({ minimum: 10 }), 5_000),
    /** Milliseconds to the last byte of the response. */
    timeout: withDefault(Type.Integer({ minimum: 1 }), 2_000),
    /** Successful checks in a row that bring an endpoint back. */
    healthy: withDefault(Type.Integer({ minimum: 1 }), 1),
    /** Failed checks in a row that take it out. */
    unhealthy: withDefault(Type.Integer({ minimum: 1 }), 3),
    /** Statuses that count as success. Default: any 2xx. */
    status: Type.Optional(Type.Array(Type.Integer({ minimum: 200, maximum: 599 }), { minItems: 1 }))
  },
  { additionalProperties: false }
)
export type HealthOptions = Type.Static<typeof HealthOptions>

export const EjectionOptions = Type.Object(
  {
    /** Failures in a row that eject an endpoint. */
    failures: withDefault(Type.Integer({ minimum: 1 }), 5),
    /** Also ejects an endpoint whose ratio of failures exceeds that of all others by `margin`. */
    rate: withDefault(
      Type.Object(
        {
          margin: withDefault(Type.Number({ exclusiveMinimum: 0, maximum: 1 }), 0.3),
          /** Calls within `window` ms that the endpoint and the others must have had. */
          minimumCalls: withDefault(Type.Integer({ minimum: 1 }), 100),
          window: withDefault(Type.Integer({ minimum: 100 }), 10_000)
        },
        { additionalProperties: false }
      ),
      {}
    ),
    /** Milliseconds of the first ejection. The second takes twice as long, and so on. */
    time: withDefault(Type.Integer({ minimum: 1 }), 30_000),
    maxTime: withDefault(Type.Integer({ minimum: 1 }), 300_000),
    /** Ratio of the endpoints that may be ejected at once; 0 disables ejection. */
    maxRatio: withDefault(Type.Number({ minimum: 0, maximum: 1 }), 0.5)
  },
  { additionalProperties: false }
)
export type EjectionOptions = Type.Static<typeof EjectionOptions>

/** Options for the endpoints of an upstream: addresses, choice, health and connections. */
export const endpointsMembers = {
  /** The only endpoint. Otherwise give `endpoints` or `dns`. */
  url: Type.Optional(EndpointUrl),
  endpoints: Type.Optional(Type.Array(EndpointOptions, { minItems: 1, maxItems: 256 })),
  dns: Type.Optional(DnsOptions),
  balance: withDefault(BalanceOptions, {}),
  /** Active health checks. Default: none. */
  health: Type.Optional(HealthOptions),
  /** Outlier detection by the outcome of calls. Needs two endpoints or more. */
  ejection: withDefault(EjectionOptions, {}),
  /** Connections to one endpoint. Further calls wait, under their deadline. */
  connections: withDefault(Type.Integer({ minimum: 1 }), 256),
  /** Milliseconds to get a connection. */
  connectTimeout: withDefault(Type.Integer({ minimum: 1 }), 2_000),
  /** Bytes of the names and values of a response's headers; by default `http.maxHeaderSize` of the gateway. */
  maxHeaderSize: Type.Optional(Type.Integer({ minimum: 1_024, maximum: 1_048_576 })),
  /** Uses HTTP/2: over https if the service offers it (ALPN), over http always. */
  http2: withDefault(Type.Boolean(), false),
  tls: Type.Optional(TlsOptions)
}
const EndpointsOptions = Type.Object(endpointsMembers)
export type EndpointsOptions = Type.Static<typeof EndpointsOptions>

/** Returns faults that the schema cannot find: members that exclude or need each other. */
export function endpointsFaults(upstream: Record<string, unknown>): { path: string; message: string }[] {
  const { url, endpoints, dns, balance } = upstream as Partial<EndpointsOptions>
  const given = ['url', 'endpoints', 'dns'].filter(member => upstream[member] !== undefined)
  if (given.length === 0)
    return [{ path: '/url', message: 'is missing: an upstream has url, endpoints or dns' }]
  const faults = given
    .slice(1)
    .map(member => ({ path: `/${member}`, message: `excludes ${given[0]}: give one of them` }))
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
    faults.push({ path: '/dns/port', message: 'is missing: only SRV records have ports' })
  if (dns?.type === 'SRV' && dns.port !== undefined)
    faults.push({ path: '/dns/port', message: 'is not allowed: SRV records have ports' })
  if (balance?.hash !== undefined && balance.policy !== 'hash')
    faults.push({ path: '/balance/hash', message: "has no effect: the policy is not 'hash'" })
  if (balance?.sticky !== undefined && url !== undefined)
    faults.push({ path: '/balance/sticky', message: 'has no effect: there is one endpoint' })
  return faults
}
