import Type from 'typebox'
import { withDefault } from './defaults.ts'
import { endpointsFaults, endpointsMembers } from './endpoints.ts'
import { type ConfigFault, isObject } from './faults.ts'
import { Named, nameFaults, unknownName } from './named.ts'
import { tlsFaults } from './tls.ts'

export const BreakerOptions = Type.Object(
  {
    /** Failures in a row that open the breaker. */
    failures: withDefault(Type.Integer({ minimum: 1 }), 5),
    /** Also opens at this ratio of failures, once `minimumCalls` have ended within `window` ms. */
    rate: Type.Optional(
      Type.Object(
        {
          ratio: Type.Number({ exclusiveMinimum: 0, maximum: 1 }),
          minimumCalls: Type.Integer({ minimum: 1 }),
          window: withDefault(Type.Integer({ minimum: 100 }), 10_000)
        },
        { additionalProperties: false }
      )
    ),
    /** Also opens at this ratio of slow calls: those whose response headers took `threshold` ms or longer. */
    slow: Type.Optional(
      Type.Object(
        {
          threshold: Type.Integer({ minimum: 1 }),
          ratio: Type.Number({ exclusiveMinimum: 0, maximum: 1 }),
          minimumCalls: Type.Integer({ minimum: 1 })
        },
        { additionalProperties: false }
      )
    ),
    /** Milliseconds from open to half-open. */
    resetTimeout: withDefault(Type.Integer({ minimum: 1 }), 30_000),
    /** Calls let through while half-open. All must succeed for the breaker to close. */
    halfOpenRequests: withDefault(Type.Integer({ minimum: 1 }), 3),
    /** Counts, opens and closes together in all workers. */
    shared: withDefault(Type.Boolean(), true)
  },
  { additionalProperties: false }
)
export type BreakerOptions = Type.Static<typeof BreakerOptions>

/** Reasons to retry: no connection, a broken connection, the timeout of an attempt, a status. */
export const RetryReason = Type.Enum(['connect', 'reset', 'timeout', 429, 500, 502, 503, 504])
export type RetryReason = Type.Static<typeof RetryReason>

const Method = Type.Enum(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH'])

export const RetryOptions = Type.Object(
  {
    /** Attempts after the first; 0 for none. */
    attempts: withDefault(Type.Integer({ minimum: 0, maximum: 10 }), 1),
    on: withDefault(Type.Array(RetryReason), ['connect', 'reset', 'timeout', 502, 503, 504]),
    /** Methods that may be repeated (RFC 9110, 9.2.2). Without a connection any method may: nothing was sent. */
    methods: withDefault(Type.Array(Method), ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']),
    /** Limits retries to a ratio of the calls of the last second. `floor` retries a second are always allowed. */
    budget: withDefault(
      Type.Object(
        {
          ratio: withDefault(Type.Number({ minimum: 0, maximum: 1 }), 0.2),
          floor: withDefault(Type.Integer({ minimum: 0 }), 3)
        },
        { additionalProperties: false }
      ),
      {}
    ),
    /** Milliseconds. A retry waits a random part of `base`, which doubles with each retry up to `max`. */
    backoff: withDefault(
      Type.Object(
        {
          base: withDefault(Type.Integer({ minimum: 0 }), 25),
          max: withDefault(Type.Integer({ minimum: 0 }), 250)
        },
        { additionalProperties: false }
      ),
      {}
    ),
    /** Milliseconds. A longer `Retry-After` is passed to the client instead of waited for. */
    maxRetryAfter: withDefault(Type.Integer({ minimum: 0 }), 1_000),
    /** Bytes of a streamed request body that are kept for a retry. */
    maxBody: withDefault(Type.Integer({ minimum: 0 }), 65_536)
  },
  { additionalProperties: false }
)
export type RetryOptions = Type.Static<typeof RetryOptions>

export const ConcurrencyOptions = Type.Object(
  {
    /** Calls in progress. Default: `connections` for each endpoint. */
    max: Type.Optional(Type.Integer({ minimum: 1 })),
    /** Calls that wait for a place. Further calls get 503 at once. */
    queue: withDefault(Type.Integer({ minimum: 0 }), 1_024)
  },
  { additionalProperties: false }
)
export type ConcurrencyOptions = Type.Static<typeof ConcurrencyOptions>

const HOP_BY_HOP = /^(connection|keep-alive|trailer|transfer-encoding|upgrade)$/

/** Response that replaces the 503 while the breaker is open. */
export const FallbackOptions = Type.Object(
  {
    status: withDefault(Type.Integer({ minimum: 200, maximum: 599 }), 200),
    /** Sent as JSON. */
    body: Type.Unknown(),
    headers: withDefault(
      Type.Record(
        Type.Refine(
          Type.String(),
          name => /^[a-z0-9-]{1,64}$/.test(name) && !name.startsWith('content-') && !HOP_BY_HOP.test(name),
          () => 'must be a header in lower case that does not describe body or connection'
        ),
        Type.Refine(
          Type.String(),
          value => /^[\t\x20-\x7e]*$/.test(value),
          () => 'must be ASCII without control characters'
        )
      ),
      {}
    )
  },
  { additionalProperties: false }
)
export type FallbackOptions = Type.Static<typeof FallbackOptions>

export const SplitOptions = Type.Object(
  {
    /** Keeps a caller on one side: by consumer, or by the value of a header. `random` does not. */
    by: withDefault(
      Type.Refine(
        Type.String(),
        value => /^(consumer|random|header:[a-z0-9-]{1,64})$/.test(value),
        () => 'must be consumer, random or header:name, in lower case'
      ),
      'consumer'
    ),
    /** Percent of the calls by name of the upstream that takes them. The rest stays here. */
    to: Type.Record(Type.String(), Type.Number({ minimum: 0, maximum: 100 })),
    /** Request header with which testers choose the side, by the name of its upstream. */
    override: Type.Optional(
      Type.Refine(
        Type.String(),
        name => /^[a-z0-9-]{1,64}$/.test(name),
        () => 'must be a header in lower case'
      )
    )
  },
  { additionalProperties: false }
)
export type SplitOptions = Type.Static<typeof SplitOptions>

export const MirrorOptions = Type.Object(
  {
    /** Name of the upstream that gets the copies. */
    to: Type.String(),
    /** Ratio of the calls that are mirrored, 0 to 1. */
    ratio: withDefault(Type.Number({ minimum: 0, maximum: 1 }), 1),
    /** Bytes. A call with a larger body is not mirrored. */
    maxBody: withDefault(Type.Integer({ minimum: 0 }), 65_536),
    /** Copies in progress. */
    concurrency: withDefault(Type.Integer({ minimum: 1 }), 32),
    /** Milliseconds for a copy and its response. */
    deadline: withDefault(Type.Integer({ minimum: 1 }), 10_000)
  },
  { additionalProperties: false }
)
export type MirrorOptions = Type.Static<typeof MirrorOptions>

export const UpstreamOptions = Type.Object(
  {
    ...endpointsMembers,
    breaker: withDefault(BreakerOptions, {}),
    fallback: Type.Optional(FallbackOptions),
    concurrency: withDefault(ConcurrencyOptions, {}),
    /** Default: one retry without a connection, or after a broken one. */
    retry: Type.Optional(RetryOptions),
    /** Milliseconds from the last byte of a request to the response headers; 0 for no limit but the deadline. */
    timeout: withDefault(Type.Integer({ minimum: 0 }), 0),
    /** Milliseconds between two pieces of a response; 0 for no limit but the deadline. */
    idleTimeout: withDefault(Type.Integer({ minimum: 0 }), 0),
    /** Path of the service's OpenAPI document, in YAML or JSON, for the documents of the gateway. */
    openapi: Type.Optional(Type.String({ minLength: 1 })),
    split: Type.Optional(SplitOptions),
    mirror: Type.Optional(MirrorOptions),
    /** Bytes up to which a response of known length is buffered instead of streamed. */
    bufferLimit: withDefault(Type.Integer({ minimum: 0 }), 65_536),
    /** Bytes of a response that the gateway reads to transform or compose it. */
    maxBody: withDefault(Type.Integer({ minimum: 1 }), 8_388_608)
  },
  { additionalProperties: false }
)
export type UpstreamOptions = Type.Static<typeof UpstreamOptions>

/** Options of the `upstreams` plugin. */
export const UpstreamsOptions = Type.Object(
  {
    /** By name. */
    upstreams: Named(UpstreamOptions),
    /** Bytes of a response's headers, for upstreams without a `maxHeaderSize` of their own. */
    maxHeaderSize: endpointsMembers.maxHeaderSize
  },
  { additionalProperties: false }
)
export type UpstreamsOptions = Type.Static<typeof UpstreamsOptions>

/** Returns the faults of `upstreams` that its schema does not find: names, and members that exclude or need each other. */
export function upstreamsFaults(upstreams: unknown): ConfigFault[] {
  if (!isObject(upstreams)) return []
  return [
    ...nameFaults('/upstreams', upstreams),
    ...Object.entries(upstreams).flatMap(([name, upstream]) =>
      isObject(upstream)
        ? [...upstreamFaults(upstream), ...targetFaults(name, upstream, upstreams)].map(
            ({ path, message }) => ({
              path: `/upstreams/${name}${path}`,
              message
            })
          )
        : []
    )
  ]
}

function upstreamFaults(upstream: Record<string, unknown>): ConfigFault[] {
  const { tls } = upstream
  return [
    ...endpointsFaults(upstream),
    ...(isObject(tls) ? tlsFaults(tls).map(({ path, message }) => ({ path: `/tls${path}`, message })) : [])
  ]
}

/** Checks that `mirror` and `split` name other upstreams. */
function targetFaults(
  name: string,
  { mirror, split }: Record<string, unknown>,
  upstreams: Record<string, unknown>
): ConfigFault[] {
  const sides = isObject(split) && isObject(split.to) ? split.to : {}
  const targets: [path: string, target: unknown][] = [
    ['/mirror/to', isObject(mirror) ? mirror.to : undefined],
    ...Object.keys(sides).map((side): [string, unknown] => [`/split/to/${side}`, side])
  ]
  const faults = targets.flatMap(([path, target]) => {
    if (typeof target !== 'string') return []
    if (target === name) return [{ path, message: 'is the upstream itself' }]
    if (Object.hasOwn(upstreams, target)) return []
    return [{ path, message: unknownName('upstream', target, Object.keys(upstreams)) }]
  })
  if (Object.values(sides).reduce<number>((sum, percent) => sum + Number(percent), 0) > 100)
    faults.push({ path: '/split/to', message: 'must not be more than 100 percent' })
  return faults
}
