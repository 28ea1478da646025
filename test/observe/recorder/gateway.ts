import type { RequestListener } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { buildAdmin } from '../../../admin/admin.ts'
import type { GatewayDefinition } from '../../../config/define-gateway.ts'
import forward from '../../../plugins/forward.ts'
import { type Ending, startGateway, startService } from '../../harness.ts'

export interface Watched {
  url: string
  admin: string
  gateway: FastifyInstance
}

/** Starts a gateway that forwards `/things/*` and `/reset/:token` to a service, and its admin API. */
export async function startWatched(
  t: Ending,
  listener: RequestListener,
  definition: Partial<GatewayDefinition> = {},
  guard?: { host: string; token?: string }
): Promise<Watched> {
  const service = await startService(t, listener)
  const routes = async (app: FastifyInstance) => {
    await app.register(forward)
    app.forward({ method: ['GET', 'POST'], url: '/*', upstream: 'things', prefix: '/things' })
    app.forward({ method: 'GET', url: '/reset/:token', upstream: 'things', prefix: '/things' })
    app.post('/echo', async ({ body }) => body)
  }
  const { gateway, url } = await startGateway(t, {
    upstreams: { things: { url: service } },
    scopes: { things: { prefix: '/things', routes } },
    ...definition
  } as GatewayDefinition)
  const admin = await buildAdmin(gateway, () => false, guard)
  t.teardown(() => admin.close())
  return { url, gateway, admin: await admin.listen({ port: 0, host: '127.0.0.1' }) }
}
