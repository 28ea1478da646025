import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { buildGateway, resolveConfig } from '../../gateway.ts'
import compose from '../../plugins/compose.ts'
import forward from '../../plugins/forward.ts'

/**
 * A gateway process: GATEWAY is a config without scopes, in JSON. Each upstream has the scope of its name: `/name/…`
 * forwards, `/name/optional` and `/name/required` compose its answer with that of the upstream `well`. Tells its parent
 * its port, and what it asks for.
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

process.on('message', ({ ask, collect }: { ask: number; collect?: boolean }) => {
  if (collect) (globalThis as { gc?(): void }).gc?.()
  gateway.server.getConnections((_error, connections) => {
    process.send?.({
      to: ask,
      answer: {
        attempts,
        clients: connections,
        memory: process.memoryUsage(),
        upstreams: gateway.upstreams.map(upstream => upstream.state())
      }
    })
  })
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
    if (!Object.hasOwn(upstreams as object, 'well')) return
    for (const required of [false, true])
      app.compose({
        url: required ? '/required' : '/optional',
        parts: {
          well: { upstream: 'well' as never, answer, path: () => '/small' },
          part: { upstream, answer, path: () => '/small', required, timeout: 1_500 }
        },
        response: Type.Object({ well: Type.Unknown(), part: Type.Unknown() }),
        toClient: parts => parts
      })
  }
}
