import Type, { type Static } from 'typebox'
import { AdminOptions } from './admin.ts'
import { withDefault } from './defaults.ts'
import { DrainOptions } from './drain.ts'
import { Deadline, TraceOptions } from './exchange.ts'
import { HttpOptions } from './http.ts'
import { IssuerOptions } from './jwt.ts'
import { ListenOptions } from './listen.ts'
import { LogOptions, RedactOptions } from './log.ts'
import { Named } from './named.ts'
import { OpenApiOptions } from './openapi.ts'
import { OtelOptions } from './otel.ts'
import { OverloadOptions } from './overload.ts'
import { CountingOptions, TierOptions } from './rate-limit.ts'
import { RecorderOptions } from './recorder.ts'
import { RedisOptions } from './redis.ts'
import { ScopeOptions } from './scope.ts'
import { TrustedProxy } from './trusted-proxy.ts'
import { UpstreamOptions } from './upstreams.ts'

/** The whole config of a gateway. */
export const GatewayOptions = Type.Object(
  {
    listen: withDefault(ListenOptions, {}),
    /** Admin API: health, metrics and the state of the gateway. */
    admin: withDefault(AdminOptions, {}),
    log: withDefault(LogOptions, {}),
    /** Sampling of traces that begin here. */
    trace: withDefault(TraceOptions, {}),
    /** Secrets that recorder, captures and logs mask, besides the known ones. */
    redact: withDefault(RedactOptions, {}),
    recorder: withDefault(RecorderOptions, {}),
    /** OpenTelemetry traces. Without it, none. */
    otel: Type.Optional(OtelOptions),
    /** Prometheus metrics at `/metrics` of the admin API. */
    metrics: withDefault(Type.Boolean(), true),
    /** OpenAPI documents of the routes. */
    openapi: withDefault(Type.Union([Type.Literal(false), OpenApiOptions]), {}),
    /** Addresses and ranges of proxies in front, whose `X-Forwarded-*` headers are trusted. */
    trustProxy: withDefault(Type.Array(TrustedProxy), []),
    /** Milliseconds for a request, unless its route sets `config.deadline`. */
    deadline: Deadline,
    /** Limits of connections and headers. */
    http: withDefault(HttpOptions, {}),
    /** Bytes of a request body, unless its route sets `bodyLimit`. */
    bodyLimit: withDefault(Type.Integer({ minimum: 0 }), 1_048_576),
    /** Times of a stop. */
    drain: withDefault(DrainOptions, {}),
    /** Load shedding. Without it, none. */
    overload: Type.Optional(OverloadOptions),
    upstreams: withDefault(Named(UpstreamOptions), {}),
    issuers: withDefault(Named(IssuerOptions), {}),
    tiers: withDefault(Named(TierOptions), {}),
    rateLimit: withDefault(CountingOptions, {}),
    /** Where limits are counted. Without it, in the memory of the process. */
    redis: Type.Optional(RedisOptions),
    scopes: withDefault(Named(ScopeOptions), {})
  },
  { additionalProperties: false }
)

/** A config with defaults filled in. */
export type GatewayConfig = Static<typeof GatewayOptions>
