import Type, { type Static, type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { CompressOptions } from './compress.ts'
import { CorsOptions } from './cors.ts'
import { type Input, withDefault } from './defaults.ts'
import { DrainOptions } from './drain.ts'
import { Deadline, TraceOptions } from './exchange.ts'
import { ConfigError, type ConfigFault, copyOptions, faultsOf, isObject } from './faults.ts'
import { HttpOptions } from './http.ts'
import { IpFilterOptions } from './ip-filter.ts'
import { IssuerOptions } from './jwt.ts'
import { ListenOptions, listenFaults } from './listen.ts'
import { LogOptions, RedactOptions } from './log.ts'
import { Named, nameFaults, unknownName } from './named.ts'
import { OverloadOptions, Priority } from './overload.ts'
import { PassHeadersOptions } from './pass-headers.ts'
import { CountingOptions, TierOptions } from './rate-limit.ts'
import { RecorderOptions } from './recorder.ts'
import { RedisOptions } from './redis.ts'
import { Prefix, type Routes, RoutesPlugin } from './routes.ts'
import { SecurityHeadersOptions } from './security-headers.ts'
import { TrustedProxy } from './trusted-proxy.ts'
import { type MirrorOptions, type SplitOptions, UpstreamOptions, upstreamsFaults } from './upstreams.ts'
import { VersionOptions, VersionSources, versionFaults } from './versions.ts'

export { ConfigError }

const Port = Type.Integer({ minimum: 0, maximum: 65_535 })

export const ScopeOptions = Type.Object(
  {
    /** `{version}`, as a segment, stands for the name of each of the scope's versions. */
    prefix: Prefix,
    /** A Fastify plugin with the scope's routes. */
    routes: Type.Optional(RoutesPlugin),
    /** In its place, versions by name, the oldest first. */
    versions: Type.Optional(Named(VersionOptions)),
    /** How a version is chosen, beside by the path. */
    version: Type.Optional(VersionSources),
    ipFilter: Type.Optional(IpFilterOptions),
    cors: Type.Optional(CorsOptions),
    securityHeaders: Type.Optional(SecurityHeadersOptions),
    compress: Type.Optional(CompressOptions),
    passHeaders: Type.Optional(PassHeadersOptions),
    /** The issuer whose tokens the scope asks for. Without it the scope is public. */
    jwt: Type.Optional(Type.String()),
    /** While the gateway is overloaded, low is refused first, high last. */
    priority: withDefault(Priority, 'normal'),
    /** The tier that an address, or a consumer whose token names none, has here. */
    rateLimit: withDefault(
      Type.Object(
        { address: Type.Optional(Type.String()), consumer: Type.Optional(Type.String()) },
        { additionalProperties: false }
      ),
      {}
    )
  },
  { additionalProperties: false }
)

export const GatewayOptions = Type.Object(
  {
    listen: withDefault(ListenOptions, {}),
    /** For operators: health, and the state of the upstreams. */
    admin: withDefault(
      Type.Object(
        {
          host: withDefault(Type.String({ minLength: 1 }), '127.0.0.1'),
          port: withDefault(Port, 8081),
          /** Asked for as a bearer token, but for `/livez` and `/readyz`. */
          token: Type.Optional(Type.String({ minLength: 16, pattern: '^[\\x21-\\x7e]+$' }))
        },
        { additionalProperties: false }
      ),
      {}
    ),
    log: withDefault(LogOptions, {}),
    /** Which traces that begin here are to be recorded. */
    trace: withDefault(TraceOptions, {}),
    /** What recorder, captures and logs do not show, beside the usual. */
    redact: withDefault(RedactOptions, {}),
    recorder: withDefault(RecorderOptions, {}),
    /** Prometheus metrics on the admin side. */
    metrics: withDefault(Type.Boolean(), true),
    /** Addresses and ranges of the proxies in front, whose `X-Forwarded-*` are believed. */
    trustProxy: withDefault(Type.Array(TrustedProxy), []),
    /** Milliseconds for an exchange, unless its route says otherwise. */
    deadline: Deadline,
    /** What a connection and the requests on it may cost. */
    http: withDefault(HttpOptions, {}),
    /** Bytes of a request's body, read or forwarded, unless its route says otherwise. */
    bodyLimit: withDefault(Type.Integer({ minimum: 0 }), 1_048_576),
    /** How the gateway stops. */
    drain: withDefault(DrainOptions, {}),
    /** When to refuse requests since there are too many; without it, never. */
    overload: Type.Optional(OverloadOptions),
    upstreams: withDefault(Named(UpstreamOptions), {}),
    issuers: withDefault(Named(IssuerOptions), {}),
    tiers: withDefault(Named(TierOptions), {}),
    rateLimit: withDefault(CountingOptions, {}),
    /** Where limits are counted; without it, in the memory of this process. */
    redis: Type.Optional(RedisOptions),
    scopes: withDefault(Named(ScopeOptions), {})
  },
  { additionalProperties: false }
)

/** A config with its defaults in place. */
export type GatewayConfig = Static<typeof GatewayOptions>

type Options = Omit<Input<typeof GatewayOptions>, 'upstreams' | 'issuers' | 'tiers' | 'scopes'>

/** What `defineGateway` takes: every name that is used must be one that is defined. */
export interface GatewayDefinition<Upstream extends string, Issuer extends string, Tier extends string>
  extends Options {
  upstreams?: Record<Upstream, UpstreamDefinition<NoInfer<Upstream>>>
  issuers?: Record<Issuer, Input<typeof IssuerOptions>>
  tiers?: Record<Tier, Input<typeof TierOptions>>
  scopes?: Record<string, ScopeDefinition<NoInfer<Issuer>, NoInfer<Tier>>>
}

/** An upstream whose `mirror.to` and `split.to` name upstreams of the same config. */
export type UpstreamDefinition<Upstream extends string> = Omit<
  Input<typeof UpstreamOptions>,
  'mirror' | 'split'
> & {
  mirror?: Omit<Input<typeof MirrorOptions>, 'to'> & { to: Upstream }
  split?: Omit<Input<typeof SplitOptions>, 'to'> & { to: { [Name in Upstream]?: number } }
}

/** Without a token there is no consumer, so a limit by consumer only compiles behind `jwt`. */
export type ScopeDefinition<Issuer extends string, Tier extends string> = {
  prefix: string
  priority?: Priority
  ipFilter?: Input<typeof IpFilterOptions>
  cors?: Input<typeof CorsOptions>
  securityHeaders?: Input<typeof SecurityHeadersOptions>
  compress?: Input<typeof CompressOptions>
  passHeaders?: Input<typeof PassHeadersOptions>
} & (
  | { routes: Routes; versions?: undefined; version?: undefined }
  | {
      routes?: undefined
      versions: Record<string, Input<typeof VersionOptions>>
      version?: Input<typeof VersionSources>
    }
) &
  (
    | { jwt: Issuer; rateLimit?: { address?: Tier; consumer?: Tier } }
    | { jwt?: undefined; rateLimit?: { address?: Tier; consumer?: undefined } }
  )

/** Has the compiler check a config. What it is at run time is for `resolveConfig` to say. */
export function defineGateway<Upstream extends string, Issuer extends string, Tier extends string>(
  definition: GatewayDefinition<Upstream, Issuer, Tier>
): GatewayDefinition<Upstream, Issuer, Tier> {
  return definition
}

/** What a config file exports: a definition, or a function that makes one of the environment that it describes. */
export interface ConfigModule<Environment extends TSchema = TSchema> {
  environment?: Environment
  default: unknown
}

/**
 * The config with its defaults in place.
 * @throws ConfigError with every fault of the environment and of the config, both.
 */
export function resolveConfig(module: ConfigModule, env: NodeJS.ProcessEnv): GatewayConfig {
  const { values, faults } = readEnvironment(module.environment ?? Type.Object({}), env)
  const definition = typeof module.default === 'function' ? module.default(values) : module.default
  if (definition instanceof Promise) {
    // It has no members of its own, and would pass for a gateway without any.
    definition.catch(() => {})
    throw new ConfigError([...faults, { path: '', message: 'is a promise: the function must not be async' }])
  }
  const config = Value.Default(GatewayOptions, copyOptions(definition))
  faults.push(...faultsOf(GatewayOptions, config))
  if (isObject(config))
    faults.push(
      ...badNames(config),
      ...upstreamsFaults(config.upstreams),
      ...unknownNames(config),
      ...badVersions(config),
      ...listenFaults(config.listen)
    )
  if (faults.length > 0) throw new ConfigError(faults)
  return config as GatewayConfig
}

/** A variable that is empty is not set. One that is wrong is reported, and stands at its default to find what else is. */
function readEnvironment(schema: TSchema, env: NodeJS.ProcessEnv): { values: object; faults: ConfigFault[] } {
  const names = Object.keys((schema as unknown as { properties: object }).properties)
  const set = Object.fromEntries(names.filter(name => env[name]).map(name => [name, env[name]]))
  const given = Value.Convert(schema, structuredClone(set)) as Record<string, unknown>
  const faults = faultsOf(schema, Value.Default(schema, structuredClone(given))).map(({ path, message }) => ({
    path: path.slice(1),
    message
  }))
  for (const { path } of faults) delete given[path]
  return { values: Value.Default(schema, given) as object, faults }
}

function badNames({ issuers, tiers, scopes }: Record<string, unknown>): ConfigFault[] {
  return Object.entries({ issuers, tiers, scopes }).flatMap(([group, members]) =>
    nameFaults(`/${group}`, members)
  )
}

function unknownNames(config: Record<string, unknown>): ConfigFault[] {
  const faults: ConfigFault[] = []
  const { issuers, tiers, scopes } = config as Record<
    string,
    Record<string, Record<string, unknown>> | undefined
  >
  const check = (path: string, kind: string, name: unknown, known: object | undefined) => {
    if (typeof name !== 'string' || Object.hasOwn(known ?? {}, name)) return
    faults.push({ path, message: unknownName(kind, name, Object.keys(known ?? {})) })
  }
  for (const [name, scope] of Object.entries(isObject(scopes) ? scopes : {})) {
    if (!isObject(scope)) continue
    check(`/scopes/${name}/jwt`, 'issuer', scope.jwt, issuers)
    const limits = isObject(scope.rateLimit) ? scope.rateLimit : {}
    check(`/scopes/${name}/rateLimit/address`, 'tier', limits.address, tiers)
    check(`/scopes/${name}/rateLimit/consumer`, 'tier', limits.consumer, tiers)
    if (limits.consumer !== undefined && scope.jwt === undefined)
      faults.push({
        path: `/scopes/${name}/rateLimit/consumer`,
        message: 'needs jwt: without a token there is no consumer'
      })
  }
  return faults
}

function badVersions({ scopes }: Record<string, unknown>): ConfigFault[] {
  return Object.entries(isObject(scopes) ? scopes : {}).flatMap(([name, scope]) =>
    isObject(scope) ? versionFaults(`/scopes/${name}`, scope) : []
  )
}
