import type { IncomingMessage, ServerResponse } from 'node:http'
import { startIdentityProvider } from '../../demo/identity.ts'
import { type Ending, startService, startShop } from '../harness.ts'

/** A request that a test's service received. */
export interface Seen {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}

export type Answers = (seen: Seen, response: ServerResponse) => void

/** Starts the example gateway with three services whose responses the test chooses, and a real identity provider. */
export async function startShopBefore(
  t: Ending,
  answers: { users?: Answers; orders?: Answers; products?: Answers }
) {
  const seen: Record<'users' | 'orders' | 'products', Seen[]> = { users: [], orders: [], products: [] }
  const provider = await startIdentityProvider({})
  t.teardown(() => provider.close())
  const service = (name: keyof typeof seen) =>
    startService(t, async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      const one = {
        method: request.method as string,
        url: request.url as string,
        headers: request.headers,
        body
      }
      seen[name].push(one)
      answers[name]?.(one, response)
    })
  const env = {
    USERS_URL: await service('users'),
    ORDERS_URL: await service('orders'),
    PRODUCTS_URL: await service('products'),
    JWT_ISSUER: provider.issuer
  }
  const { url, gateway } = await startShop(t, env)
  const bearer = async (client: string) => ({ authorization: `Bearer ${await provider.token(client)}` })
  return { url, gateway, seen, bearer, env }
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(text)
}

/** An order of the order service, with internal members. */
export const internalOrder = {
  id: 'o-1',
  status: 'confirmed',
  items: [
    { productId: 'p-1', productName: 'Sticker', quantity: 3, price: 0.1, margin: 0.02 },
    { productId: 'p-2', productName: 'Lamp', quantity: 1, price: 19.99 }
  ],
  total: 20.29,
  shippingAddress: { street: '1 Road', city: 'London', state: 'LDN', zip: 'N1', country: 'GB', geo: [0, 0] },
  estimatedDelivery: '2026-12-01',
  createdAt: 1_795_531_247_000,
  internalNotes: 'secret'
}
