import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { defineGateway } from '../../config/define-gateway.ts'
import compose from '../../plugins/compose.ts'
import forward from '../../plugins/forward.ts'

const Answer = Type.Object({ id: Type.String(), text: Type.String() })
const SERVICE = 'service' as never

/** Returns the config to reload. Its responses carry `version` in the header X-Config. */
export function createConfig(version: number) {
  const { SERVICE_URL = '', PORT, ADMIN_PORT, DRAIN = '10000', DRAIN_DELAY = '0' } = process.env
  return defineGateway({
    listen: { port: Number(PORT) },
    admin: { port: Number(ADMIN_PORT) },
    log: { level: (process.env.LOG_LEVEL as 'warn') ?? 'warn' },
    bodyLimit: 2_097_152,
    drain: { delay: Number(DRAIN_DELAY), timeout: Number(DRAIN), idle: 2_000 },
    upstreams: { service: { url: SERVICE_URL } },
    scopes: { api: { prefix: '/api', routes } }
  })

  async function routes(app: FastifyInstance) {
    app.addHook('onSend', async (_request, reply) => void reply.header('x-config', version))
    await app.register(forward)
    await app.register(compose)
    app.forward({ method: 'GET', url: '/plain', upstream: SERVICE, prefix: '' })
    app.forward({ method: 'GET', url: '/download', upstream: SERVICE, prefix: '' })
    app.forward({ method: 'POST', url: '/upload', upstream: SERVICE, prefix: '' })
    app.forward({
      method: 'GET',
      url: '/events',
      upstream: SERVICE,
      prefix: '',
      config: { deadline: 0, idleTimeout: 60_000 }
    })
    app.websocket({ url: '/echo', upstream: SERVICE, prefix: '' })
    app.compose({
      url: '/composed',
      parts: {
        one: { upstream: SERVICE, required: true, upstreamResponse: Answer, path: () => '/plain' },
        other: { upstream: SERVICE, required: true, upstreamResponse: Answer, path: () => '/plain' }
      },
      response: Type.Object({ one: Answer, other: Answer }),
      toClient: parts => parts
    })
  }
}
