import type { OpenApiOptions } from '../schemas/options/openapi.ts'
import type { CollectedRoute } from './collected-route.ts'
import type { DescribedUpstream } from './described-upstreams.ts'
import type { SecuritySchemes } from './security.ts'
import type { ServiceDocument } from './service-document.ts'

/** Data that all routes of a document share. */
export interface DocumentContext {
  options: OpenApiOptions
  /** True if errors are sent as problems (RFC 9457). */
  hasProblems: boolean
  security: SecuritySchemes
  /** Limits of a tier, as clients read them. */
  describeTier(name: string): object | undefined
  /** Returns the document of the service that a route forwards to, if it has one. */
  serviceDocument(route: CollectedRoute): ServiceDocument | undefined
  /** Returns the response of an upstream while its breaker is open, if it has one. */
  fallbackOf(upstream: string): DescribedUpstream['fallback']
  /** Epoch ms. */
  now: number
}
