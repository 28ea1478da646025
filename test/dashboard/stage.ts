import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type RunningServer, startServer } from '../cluster/rig.ts'
import { type Answer, call, type Ending } from '../harness.ts'
import { type Issuer, startIssuer } from '../issuer.ts'

/** A gateway with several workers before services that the test makes fail. */
export interface Stage {
  server: RunningServer
  issuer: Issuer
  orders: StagedService
  /** Second endpoint of the upstream `orders`. */
  ordersB: StagedService
  users: StagedService
  /** Requests a path of the gateway as a consumer. */
  get(path: string, consumer?: string): Promise<Answer>
}

export interface StagedService {
  url: string
  /** Answers all requests from now on. */
  behave(listener: RequestListener): void
  /** Refuses connections until `start`. */
  stop(): Promise<void>
  start(): Promise<void>
}

export async function startStage(t: Ending, env: Record<string, string> = {}): Promise<Stage> {
  const issuer = await startIssuer(t)
  const [orders, ordersB, users] = await Promise.all([
    startStagedService(t),
    startStagedService(t),
    startStagedService(t)
  ])
  const server = await startServer(t, {
    config: CONFIG,
    workers: 2,
    env: {
      ISSUER: issuer.issuer,
      ORDERS: orders.url,
      ORDERS_B: ordersB.url,
      USERS: users.url,
      ...env
    }
  })
  async function get(path: string, consumer = 'ada'): Promise<Answer> {
    const authorization = `Bearer ${await issuer.sign({ sub: consumer })}`
    return call(`${server.url}${path}`, { headers: { authorization } })
  }
  return { server, issuer, orders, ordersB, users, get }
}

async function startStagedService(t: Ending): Promise<StagedService> {
  let listener: RequestListener = (_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end('{"id":"1","total":"12.50"}')
  }
  const server = createServer((request, response) => listener(request, response))
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const port = await listen(0)
  const stop = async () => {
    if (!server.listening) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  t.teardown(stop)
  return {
    url: `http://127.0.0.1:${port}`,
    behave(next) {
      listener = next
    },
    stop,
    async start() {
      await listen(port)
    }
  }
}

/** Text of the config file. */
export const CONFIG = `
import { defineGateway, forward, path, transform } from 'sluice'
import Type from 'typebox'

const { env } = process
const days = count => new Date(Date.now() + count * 86_400_000).toISOString().slice(0, 11) + '00:00:00Z'
const id = Type.Object({ id: Type.String() })

async function orders(app) {
  await app.register(forward)
  await app.register(transform)
  app.forward({ method: 'GET', url: '/:id', upstream: 'orders', prefix: '/orders' })
  app.transform({
    method: 'GET',
    url: '/:id/total',
    upstream: 'orders',
    params: id,
    upstreamResponse: Type.Object({ id: Type.String(), total: Type.String() }),
    response: Type.Object({ total: Type.String() }),
    toUpstream: ({ params }) => ({ method: 'GET', path: path\`/orders/\${params.id}\` }),
    toClient: ({ total }) => ({ total })
  })
}

export default defineGateway({
  listen: { port: Number(env.PORT) },
  admin: { port: Number(env.ADMIN_PORT), token: env.ADMIN_TOKEN },
  log: { level: 'info', sample: 0 },
  drain: { timeout: 1_000, idle: 200 },
  upstreams: {
    orders: {
      endpoints: [{ url: env.ORDERS }, { url: env.ORDERS_B }],
      timeout: 1_000,
      breaker: { failures: 10, resetTimeout: 600_000 },
      ejection: { time: 300_000 }
    },
    users: { url: env.USERS, breaker: { failures: 3, resetTimeout: 600_000 } }
  },
  ...(env.REDIS && { redis: { url: env.REDIS } }),
  issuers: { shop: { issuer: env.ISSUER, audience: 'api://gateway' } },
  tiers: { free: { limits: [{ limit: 100, window: 10_000 }] } },
  scopes: {
    orders: {
      prefix: '/api/{version}/orders',
      versions: { v1: { routes: orders, deprecated: days(-100), sunset: days(200) }, v2: { routes: orders } },
      version: { default: 'v2' },
      jwt: 'shop',
      rateLimit: { consumer: 'free' }
    },
    users: {
      prefix: '/api/users',
      jwt: 'shop',
      routes: async app => {
        await app.register(forward)
        app.forward({ method: 'GET', url: '/:id', upstream: 'users', prefix: '/users' })
      }
    }
  }
})
`
