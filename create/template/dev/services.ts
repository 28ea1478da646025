import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { startTokens } from 'sluice/testing'

/**
 * Services and an issuer to develop against. `npm run dev` starts them beside the gateway, and again when this file is saved.
 * Replace them with your own: ORDERS_URL, PRODUCTS_URL and JWT_ISSUER say where the gateway looks for them.
 */
const { ORDERS_URL, PRODUCTS_URL, JWT_ISSUER } = process.env

const catalogue = [
  { id: 'p-100', name: 'Sticker', price: 0.1 },
  { id: 'p-101', name: 'Notebook', price: 4.95 }
]
const orders = [{ orderId: 'o-1', userId: 'ada', sku: 'p-100', qty: 3, total: 0.3 }]

serve(PRODUCTS_URL ?? 'http://127.0.0.1:4002', url => {
  const [, , id] = url.split('/')
  return id === undefined ? catalogue : catalogue.find(product => product.id === id)
})

serve(ORDERS_URL ?? 'http://127.0.0.1:4001', (url, body) => {
  if (body !== undefined) {
    const { userId, sku, qty } = body as { userId: string; sku: string; qty: number }
    const price = catalogue.find(({ id }) => id === sku)?.price
    if (price === undefined) return undefined
    const order = { orderId: `o-${orders.length + 1}`, userId, sku, qty, total: qty * price }
    orders.push(order)
    return order
  }
  const [, , user, , id] = url.split('/')
  const own = orders.filter(({ userId }) => userId === user)
  return id === undefined ? own : own.find(({ orderId }) => orderId === id)
})

const issuerPort = portOf(JWT_ISSUER ?? 'http://127.0.0.1:4000')
const tokens = await startTokens({ after() {} }, { port: issuerPort }).catch(fail)
const token = tokens.token({ sub: 'ada', exp: Math.floor(Date.now() / 1_000) + 12 * 3_600 })

/** `sluice dev` sends the URLs when the gateway listens. */
process.on('message', ({ gateway }: { gateway: string }) => {
  console.log(`
Try it in another terminal. The token is valid for 12 hours, or until dev/services.ts starts again with a new key.

TOKEN=${token}
curl ${gateway}/api/products
curl ${gateway}/api/overview -H "Authorization: Bearer $TOKEN"
curl ${gateway}/api/v2/orders -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -H 'Idempotency-Key: 1' -d '{"product":"p-101","quantity":2}'
`)
})

/** Starts a service. `respond` returns what is sent as JSON, or undefined for a 404. */
function serve(at: string, respond: (url: string, body: unknown) => unknown): void {
  createServer(async (request, response) => {
    // A body that is not JSON must not end the process.
    const body = request.method === 'POST' ? Object(await json(request).catch(() => ({}))) : undefined
    const value = respond(request.url ?? '/', body)
    response.statusCode = value === undefined ? 404 : 200
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(value ?? { error: 'not found' }))
  })
    .once('error', fail)
    .listen(portOf(at), '127.0.0.1')
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

/** Ends the program when a port is in use. */
function fail({ message }: Error): never {
  console.error(`${message}. Set ORDERS_URL, PRODUCTS_URL or JWT_ISSUER to use another port.`)
  process.exit(1)
}
