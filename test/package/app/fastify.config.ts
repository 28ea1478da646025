import { defineGateway, withDefault } from 'sluice'
import Type, { type Static } from 'typebox'
import { mine } from './routes/mine.ts'
import { orders } from './routes/orders.ts'

const Port = Type.Integer({ minimum: 1, maximum: 65_535 })

export const environment = Type.Object({
  PORT: withDefault(Port, 8080),
  ADMIN_PORT: withDefault(Port, 8081),
  ORDERS_URL: withDefault(Type.String(), 'http://127.0.0.1:4002')
})

export default function gateway(env: Static<typeof environment>) {
  return defineGateway({
    listen: { port: env.PORT },
    admin: { port: env.ADMIN_PORT },
    upstreams: { orders: { url: env.ORDERS_URL } },
    issuers: { main: { issuer: 'https://auth.example.com', audience: 'api://gateway' } },
    tiers: { standard: { limits: [{ limit: 100, window: 60_000 }] } },
    scopes: {
      orders: { prefix: '/api/orders', routes: orders, jwt: 'main', rateLimit: { consumer: 'standard' } },
      mine: { prefix: '/api/mine', routes: mine, jwt: 'main' },
      status: { prefix: '/api/status', routes: orders, rateLimit: { address: 'standard' } }
    }
  })
}
