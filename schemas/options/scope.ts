import Type from 'typebox'
import { CompressOptions } from './compress.ts'
import { CorsOptions } from './cors.ts'
import { withDefault } from './defaults.ts'
import { IpFilterOptions } from './ip-filter.ts'
import { NAME, Named } from './named.ts'
import { Priority } from './overload.ts'
import { PassHeadersOptions } from './pass-headers.ts'
import { Prefix, RoutesPlugin } from './routes.ts'
import { SecurityHeadersOptions } from './security-headers.ts'
import { VersionOptions, VersionSources } from './versions.ts'

/** A part of the API, with routes or versions of its own. */
export const ScopeOptions = Type.Object(
  {
    /** Path of the scope. `{version}`, as a segment, stands for the name of each version. */
    prefix: Prefix,
    /** Fastify plugin with the scope's routes. */
    routes: Type.Optional(RoutesPlugin),
    /** Instead of `routes`: versions by name, oldest first. */
    versions: Type.Optional(Named(VersionOptions)),
    /** Sources besides the path that select a version. */
    version: Type.Optional(VersionSources),
    ipFilter: Type.Optional(IpFilterOptions),
    cors: Type.Optional(CorsOptions),
    securityHeaders: Type.Optional(SecurityHeadersOptions),
    compress: Type.Optional(CompressOptions),
    passHeaders: Type.Optional(PassHeadersOptions),
    /** Name of the issuer whose tokens the scope requires. Without it the scope is public. */
    jwt: Type.Optional(Type.String()),
    /** During overload `low` is rejected first, `high` last. */
    priority: withDefault(Priority, 'normal'),
    /** Names of the tiers of addresses, and of consumers whose token names none. */
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

/** Options of the `scope` plugin. */
export const ScopePluginOptions = Type.Object(
  {
    /** Name in log entries, metrics and the recorder. */
    name: Type.String({ pattern: NAME.source }),
    version: Type.Optional(Type.String({ minLength: 1 })),
    /** Request headers to pass although they are dropped by default. */
    passHeaders: Type.Optional(PassHeadersOptions)
  },
  { additionalProperties: false }
)
