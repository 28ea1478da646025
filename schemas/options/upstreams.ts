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
    /** Opens on a share of failures too, once `volume` calls have been settled within `window` ms. */
    rate: Type.Optional(
      Type.Object(
        {
          share: Type.Number({ exclusiveMinimum: 0, maximum: 1 }),
          volume: Type.Integer({ minimum: 1 }),
          window: withDefault(Type.Integer({ minimum: 100 }), 10_000)
        },
        { additionalProperties: false }
      )
    ),
    /** Opens on a share of slow calls too: those whose answer's head took `threshold` ms or longer. A slow trial fails. */
    slow: Type.Optional(
      Type.Object(
        {
          threshold: Type.Integer({ minimum: 1 }),
          share: Type.Number({ exclusiveMinimum: 0, maximum: 1 }),
          volume: Type.Integer({ minimum: 1 })
        },
        { additionalProperties: false }
      )
    ),
    /** Milliseconds from opening to the first trial. */
    resetTimeout: withDefault(Type.Integer({ minimum: 1 }), 30_000),
    /** Calls let through as trials; all of them must succeed for the breaker to close. */
    trials: withDefault(Type.Integer({ minimum: 1 }), 3),
    /** It opens and closes in all workers when it does in one. */
    shared: withDefault(Type.Boolean(), true)
  },
  { additionalProperties: false }
)
export type BreakerOptions = Type.Static<typeof BreakerOptions>

/** What a further attempt may be for: no connection; a connection that broke; the per-try timeout; a status. */
export const RetryReason = Type.Enum(['connect', 'reset', 'timeout', 429, 500, 502, 503, 504])
export type RetryReason = Type.Static<typeof RetryReason>

const Method = Type.Enum(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH'])

export const RetryOptions = Type.Object(
  {
    /** Attempts after the first; 0: none. */
    attempts: withDefault(Type.Integer({ minimum: 0, maximum: 10 }), 1),
    on: withDefault(Type.Array(RetryReason), ['connect', 'reset', 'timeout', 502, 503, 504]),
    /** Those that may be sent twice (RFC 9110, 9.2.2). After a connection that failed any method may: nothing was sent. */
    methods: withDefault(Type.Array(Method), ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']),
    /** Retries at most: a share of the calls of the last second, but `floor` a second always. */
    budget: withDefault(
      Type.Object(
        {
          share: withDefault(Type.Number({ minimum: 0, maximum: 1 }), 0.2),
          floor: withDefault(Type.Integer({ minimum: 0 }), 3)
        },
        { additionalProperties: false }
      ),
      {}
    ),
    /** Milliseconds: a retry waits a random part of `base`, twice that the next time, and so on up to `cap`. */
    backoff: withDefault(
      Type.Object(
        {
          base: withDefault(Type.Integer({ minimum: 0 }), 25),
          cap: withDefault(Type.Integer({ minimum: 0 }), 250)
        },
        { additionalProperties: false }
      ),
      {}
    ),
    /** Milliseconds: a longer `Retry-After` is not waited for but passed on, with its answer. */
    maxRetryAfter: withDefault(Type.Integer({ minimum: 0 }), 1_000),
    /** Bytes of a streamed body that are kept to be sent again. */
    maxBody: withDefault(Type.Integer({ minimum: 0 }), 65_536)
  },
  { additionalProperties: false }
)
export type RetryOptions = Type.Static<typeof RetryOptions>

export const ConcurrencyOptions = Type.Object(
  {
    /** Calls under way at most; `connections` for each endpoint if not given. */
    max: Type.Optional(Type.Integer({ minimum: 1 })),
    /** Calls that wait for a place; what comes beyond is answered 503 at once. */
    queue: withDefault(Type.Integer({ minimum: 0 }), 1_024)
  },
  { additionalProperties: false }
)
export type ConcurrencyOptions = Type.Static<typeof ConcurrencyOptions>

const HOP = /^(connection|keep-alive|trailer|transfer-encoding|upgrade)$/

/** Answered in the place of the 503 while the breaker is open. */
export const FallbackOptions = Type.Object(
  {
    status: withDefault(Type.Integer({ minimum: 200, maximum: 599 }), 200),
    /** Sent as JSON. */
    body: Type.Unknown(),
    headers: withDefault(
      Type.Record(
        Type.Refine(
          Type.String(),
          name => /^[a-z0-9-]{1,64}$/.test(name) && !name.startsWith('content-') && !HOP.test(name),
          () => 'must be a header in lower case, and none that says how a body is sent'
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
    /** What keeps a caller on one side: the consumer, or a header's value. `random`: nothing does. */
    by: withDefault(
      Type.Refine(
        Type.String(),
        value => /^(consumer|random|header:[a-z0-9-]{1,64})$/.test(value),
        () => 'must be consumer, random or header:name, in lower case'
      ),
      'consumer'
    ),
    /** Percent of the calls, by the name of the upstream that takes them. What is left to 100 stays here. */
    to: Type.Record(Type.String(), Type.Number({ minimum: 0, maximum: 100 })),
    /** A header by which anybody chooses the side, by its upstream's name: for testers. */
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
    /** The upstream that gets the copies. */
    to: Type.String(),
    /** Of the calls, 0 to 1. */
    share: withDefault(Type.Number({ minimum: 0, maximum: 1 }), 1),
    /** Bytes: a call with a larger body is not mirrored. */
    maxBody: withDefault(Type.Integer({ minimum: 0 }), 65_536),
    /** Copies under way at most. */
    concurrency: withDefault(Type.Integer({ minimum: 1 }), 32),
    /** Milliseconds for a copy and its answer. */
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
    /** Without it: one more attempt after a connection that failed or broke. */
    retry: Type.Optional(RetryOptions),
    /** Milliseconds from an attempt's last byte sent to its answer's first; 0: as long as the deadline lets it. */
    timeout: withDefault(Type.Integer({ minimum: 0 }), 0),
    /** Milliseconds between two pieces of an answer; 0: as long as the deadline lets it. */
    idleTimeout: withDefault(Type.Integer({ minimum: 0 }), 0),
    split: Type.Optional(SplitOptions),
    mirror: Type.Optional(MirrorOptions),
    /** Bytes up to which a response of known length is buffered instead of streamed. */
    bufferLimit: withDefault(Type.Integer({ minimum: 0 }), 65_536),
    /** Bytes up to which an answer may grow that the gateway has to read: transformed or composed. */
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
