import type { CollectedRoute } from './collected-route.ts'

export interface SecuritySchemes {
  /** By name, for `components.securitySchemes`. */
  schemes: Record<string, object>
  /** Returns the alternatives of a route whose tokens come from this issuer. */
  requirements(issuer: string): Record<string, string[]>[]
}

/**
 * Returns the security schemes of the routes: for each issuer the bearer token (RFC 6750), and OpenID Connect if its keys
 * are found by discovery.
 */
export function securitySchemes(routes: CollectedRoute[]): SecuritySchemes {
  const schemes: Record<string, object> = {}
  const discovered = new Set<string>()
  for (const { config } of routes) {
    const { issuer: name, tokens } = config
    if (name === undefined || tokens === undefined) continue
    schemes[name] = {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'JWT',
      description: `Access token of ${tokens.issuer} for the audience \`${tokens.audience}\`.`
    }
    if (tokens.discovery === undefined) continue
    discovered.add(name)
    schemes[openIdName(name)] = { type: 'openIdConnect', openIdConnectUrl: tokens.discovery }
  }
  return {
    schemes,
    requirements: name => [{ [name]: [] }, ...(discovered.has(name) ? [{ [openIdName(name)]: [] }] : [])]
  }
}

function openIdName(issuer: string): string {
  return `${issuer}-openid`
}
