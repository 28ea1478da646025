import type { CompressOptions } from '../schemas/options/compress.ts'
import type { CorsOptions } from '../schemas/options/cors.ts'
import type { Input } from '../schemas/options/defaults.ts'
import type { GatewayOptions } from '../schemas/options/gateway.ts'
import type { IpFilterOptions } from '../schemas/options/ip-filter.ts'
import type { IssuerOptions } from '../schemas/options/jwt.ts'
import type { Priority } from '../schemas/options/overload.ts'
import type { PassHeadersOptions } from '../schemas/options/pass-headers.ts'
import type { TierOptions } from '../schemas/options/rate-limit.ts'
import type { Routes } from '../schemas/options/routes.ts'
import type { SecurityHeadersOptions } from '../schemas/options/security-headers.ts'
import type { MirrorOptions, SplitOptions, UpstreamOptions } from '../schemas/options/upstreams.ts'
import type { VersionOptions, VersionSources } from '../schemas/options/versions.ts'

type Options = Omit<Input<typeof GatewayOptions>, 'upstreams' | 'issuers' | 'tiers' | 'scopes'>

/** Config of a gateway, as a user writes it. Issuers, tiers, and upstreams in `mirror` and `split` must be defined in it. */
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

/** A scope. `rateLimit.consumer` needs `jwt`, since without a token there is no consumer. */
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

/**
 * Type-checks the config of a gateway and returns it unchanged. It is validated when the gateway starts.
 *
 * ```ts
 * export default defineGateway({
 *   upstreams: { orders: { url: 'http://127.0.0.1:4002' } },
 *   scopes: { orders: { prefix: '/api/orders', routes: orders } }
 * })
 * ```
 */
export function defineGateway<Upstream extends string, Issuer extends string, Tier extends string>(
  definition: GatewayDefinition<Upstream, Issuer, Tier>
): GatewayDefinition<Upstream, Issuer, Tier> {
  return definition
}
