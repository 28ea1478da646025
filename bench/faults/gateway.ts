import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { resolveConfig } from '../../config/resolve-config.ts'
import { buildGateway } from '../../gateway.ts'
import compose from '../../plugins/compose.ts'
import forward from '../../plugins/forward.ts'

/**
 * A gateway process; GATEWAY has a config without scopes in JSON. Each upstream gets a scope of its name: `/NAME/…`
 * forwards; `/NAME/optional` and `/NAME/required` compose its response with that of the upstream `healthy`. Sends its port
 * and, on request, `GatewayState`.
 */
const { upstreams, ...options } = JSON.parse(process.env.GATEWAY as string) as Record<string, object>
const config = resolveConfig(
  {
    default: {
      log: { level: process.env.LOG_LEVEL ?? 'silent' },
      ...options,
      upstreams,
      scopes: Object.fromEntries(
        Object.keys(upstreams as object).map(name => [name, { prefix: `/${name}`, routes: routesTo(name) }])
      )
    }
  },
  {}
)
const gateway = await buildGateway(config)
const attempts: Record<string, number> = {}
gateway.onExchangeEnd(({ route = '', attempts: made }) => {
  attempts[route] = (attempts[route] ?? 0) + made
})
await gateway.listen({ port: 0, host: '127.0.0.1' })

process.on('message', ({ id, collectGarbage }: { id: number; collectGarbage?: boolean }) => {
  if (collectGarbage) (globalThis as { gc?(): void }).gc?.()
  const states = gateway.upstreams.map(upstream => upstream.state())
  process.send?.({ id, state: { attempts, memory: process.memoryUsage(), upstreams: states } })
})
process.on('SIGTERM', () => process.exit())
process.on('disconnect', () => process.exit())
process.send?.({ port: (gateway.server.address() as AddressInfo).port })

function routesTo(name: string) {
  const upstream = name as never
  const answer = Type.Object({ id: Type.String() })
  return async (app: FastifyInstance) => {
    await app.register(forward)
    await app.register(compose)
    app.forward({ method: ['GET', 'POST'], url: '/*', upstream, prefix: '' })
    if (!Object.hasOwn(upstreams as object, 'healthy')) return
    for (const required of [false, true])
      app.compose({
        url: required ? '/required' : '/optional',
        parts: {
          healthy: { upstream: 'healthy', upstreamResponse: answer, path: () => '/small' },
          part: { upstream, upstreamResponse: answer, path: () => '/small', required, timeout: 1_500 }
        },
        response: Type.Object({ healthy: Type.Unknown(), part: Type.Unknown() }),
        toClient: parts => parts
      })
  }
}
