import type { AnonymousInstance, AuthenticatedInstance } from '../auth/authenticated.ts'
import type { CompressOptions } from '../schemas/options/compress.ts'
import type { CorsOptions } from '../schemas/options/cors.ts'
import type { Input } from '../schemas/options/defaults.ts'
import type { GatewayOptions } from '../schemas/options/gateway.ts'
import type { IpFilterOptions } from '../schemas/options/ip-filter.ts'
import type { IssuerOptions } from '../schemas/options/jwt.ts'
import type { Priority } from '../schemas/options/overload.ts'
import type { PassHeadersOptions } from '../schemas/options/pass-headers.ts'
import type { TierOptions } from '../schemas/options/rate-limit.ts'
import type { SecurityHeadersOptions } from '../schemas/options/security-headers.ts'
import type { MirrorOptions, UpstreamOptions } from '../schemas/options/upstreams.ts'
import type { VersionOptions, VersionSources } from '../schemas/options/versions.ts'
import type { CheckNames } from './check-names.ts'

type Options = Omit<Input<typeof GatewayOptions>, 'upstreams' | 'issuers' | 'tiers' | 'scopes'>

/** Config of a gateway, as a user writes it. */
export interface GatewayDefinition extends Options {
  upstreams?: Record<string, UpstreamDefinition>
  issuers?: Record<string, Input<typeof IssuerOptions>>
  tiers?: Record<string, Input<typeof TierOptions>>
  scopes?: Record<string, ScopeDefinition>
}

/** `mirror.to` and `split.to` name upstreams of the config. */
export type UpstreamDefinition = Omit<Input<typeof UpstreamOptions>, 'mirror'> & {
  mirror?: Omit<Input<typeof MirrorOptions>, 'to'> & { to: Name }
}

/**
 * A scope. With `jwt`, the name of an issuer, its routes may be written for an `AuthenticatedInstance`. `rateLimit` names
 * tiers; a limit by consumer needs `jwt`, since without a token there is no consumer.
 */
export type ScopeDefinition = {
  prefix: string
  priority?: Priority
  ipFilter?: Input<typeof IpFilterOptions>
  cors?: Input<typeof CorsOptions>
  securityHeaders?: Input<typeof SecurityHeadersOptions>
  compress?: Input<typeof CompressOptions>
  passHeaders?: Input<typeof PassHeadersOptions>
} & (
  | ({ jwt: Name; rateLimit?: { address?: Name; consumer?: Name } } & ScopeRoutes<AuthenticatedInstance>)
  | ({
      jwt?: undefined
      rateLimit?: { address?: Name; consumer?: undefined }
    } & ScopeRoutes<AnonymousInstance>)
)

type ScopeRoutes<App> =
  | { routes: RoutesPlugin<App>; versions?: undefined; version?: undefined }
  | {
      routes?: undefined
      versions: Record<string, Omit<Input<typeof VersionOptions>, 'routes'> & { routes: RoutesPlugin<App> }>
      version?: Input<typeof VersionSources>
    }

/** A Fastify plugin. Declared as a method, so that it may have another type provider: its parameters are bivariant. */
type RoutesPlugin<App> = {
  plugin(app: App, options: object, done: (error?: Error) => void): void | Promise<void>
}['plugin']

/** A string. The union keeps TypeScript from widening the type of a literal, so that `CheckNames` sees the name. */
type Name = '' | (string & {})

/**
 * Type-checks the config of a gateway and returns it unchanged: issuers, tiers and upstreams that it names must be defined
 * in it. It is validated when the gateway starts.
 *
 * ```ts
 * export default defineGateway({
 *   upstreams: { orders: { url: 'http://127.0.0.1:4002' } },
 *   scopes: { orders: { prefix: '/api/orders', routes: orders } }
 * })
 * ```
 */
export function defineGateway<const Definition>(
  definition: GatewayDefinition & CheckNames<Definition>
): GatewayDefinition {
  return definition
}
