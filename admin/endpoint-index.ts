import type { FastifyInstance } from 'fastify'
import { isHidden } from '../http/hidden-route.ts'

/** A line of the index of the admin API. */
export interface EndpointSummary {
  method: string
  path: string
  /** Its response or effect; empty if SUMMARIES lacks it. */
  summary: string
}

const SUMMARIES: Record<string, string> = {
  'GET /': 'dashboard for browsers, otherwise this index',
  'GET /index.json': 'this index',
  'GET /session': 'whether this client is logged in',
  'POST /session': 'logs a browser in: { token, name? }',
  'DELETE /session': 'logs out',
  'GET /livez': '200 while the supervisor runs',
  'GET /readyz': '200 while a worker accepts connections',
  'GET /overview': 'rates of each scope, and what is wrong now',
  'GET /history': 'rates of each scope in the last hour',
  'GET /route-rates': 'rates of each route in the last seconds',
  'GET /events': 'stream of the state that other routes return',
  'GET /actions': 'actions of operators on upstreams',
  'POST /actions': 'drains or ejects an endpoint, opens or resets a breaker',
  'DELETE /actions/:id': 'ends an action early',
  'GET /deploys': 'reloads with what changed, crashes, certificates, and issuers with their keys',
  'GET /cluster': 'workers, the last reload and crashes',
  'GET /version': 'versions of Sluice and Node, start and generation',
  'GET /routes': 'routes with their patterns in the order in which a request meets them',
  'GET /config': 'configuration, without secrets',
  'GET /log-level': 'log level, and who has set it until when',
  'PUT /log-level': 'sets the log level: { level, until? }',
  'DELETE /log-level': 'returns to the configured log level',
  'POST /reload': 'replaces the workers by new ones that read all files again',
  'GET /upstreams': 'breaker, calls and endpoints of each upstream',
  'GET /limits': 'store of the limits, and decisions by tier',
  'GET /versions': 'calls of each version, and who makes most',
  'GET /metrics': 'Prometheus metrics',
  'GET /docs': 'page to read the OpenAPI documents',
  'GET /openapi': 'versions that have an OpenAPI document',
  'GET /openapi.json': 'OpenAPI document of all versions',
  'GET /openapi/:file': 'OpenAPI document of one version: /openapi/v1.json',
  'GET /exchanges': 'recorded exchanges',
  'GET /exchanges.har': 'recorded exchanges as HAR',
  'GET /exchanges/:id': 'one exchange; as HAR with .har after the id',
  'GET /exchanges/live': 'stream of exchanges',
  'GET /captures': 'captures',
  'POST /captures': 'starts a capture',
  'GET /captures/:id': 'one capture with its exchanges; as HAR with .har after the id',
  'DELETE /captures/:id': 'ends and removes a capture'
}

/** Collects the routes that are added to `admin` from now on, unless their schema hides them. */
export function collectEndpoints(admin: FastifyInstance): () => EndpointSummary[] {
  const endpoints: EndpointSummary[] = []
  admin.addHook('onRoute', route => {
    const { method: methods, url: path } = route
    if (isHidden(route)) return
    for (const method of [methods].flat())
      if (method !== 'HEAD') endpoints.push({ method, path, summary: SUMMARIES[`${method} ${path}`] ?? '' })
  })
  return () => endpoints.toSorted((a, b) => a.path.localeCompare(b.path))
}
