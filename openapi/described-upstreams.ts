import type { FastifyInstance } from 'fastify'
import { appState } from '../app-state.ts'
import type { UpstreamOptions } from '../schemas/options/upstreams.ts'

/** Options of an upstream that its documents depend on. */
export type DescribedUpstream = Pick<UpstreamOptions, 'fallback' | 'openapi'>

/** Returns the upstreams of an app by name. */
export function describedUpstreams(app: FastifyInstance): Map<string, DescribedUpstream> {
  return appState(app, 'openapi.upstreams', () => new Map<string, DescribedUpstream>())
}
