import { createServer } from 'node:http'

/** The service behind all subjects: fixed responses by path, as cheap as possible. */

const json = (value: unknown) => Buffer.from(JSON.stringify(value))

const order = {
  id: 'o-1',
  status: 'confirmed',
  items: [{ productId: 'p-1', productName: 'Sticker', quantity: 3, price: 0.1 }],
  total: 0.3,
  shippingAddress: { street: '1 Road', city: 'London', state: 'LDN', zip: 'N1', country: 'GB' },
  estimatedDelivery: '2026-12-01',
  createdAt: 1_795_531_247_000
}

const bodies: [prefix: string, body: Buffer][] = [
  [
    '/recommendations',
    json(Array.from({ length: 6 }, (_, i) => ({ id: `p-${i}`, name: `Product ${i}`, price: 1.5 })))
  ],
  ['/users/', json({ id: 'u-1', name: 'Ada Lovelace', email: 'ada@example.com' })],
  ['/orders', json(order)],
  ['/products/large', json({ id: 'p-1', text: 'x'.repeat(1_000) })],
  [
    '/',
    Buffer.from(
      '{"id":"p-100","name":"Sticker","price":0.1,"category":"paper","stock":5000,"n":1}'.padEnd(79)
    )
  ]
]
const orders = json([order, order, order])

createServer((request, response) => {
  const url = request.url as string
  if (request.method === 'POST') request.resume()
  const isOrdersOfUser = url.startsWith('/users/') && url.includes('/orders')
  const [, found] = bodies.find(([prefix]) => url.startsWith(prefix)) as [string, Buffer]
  const body = isOrdersOfUser ? orders : found
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body)
}).listen(Number(process.env.PORT ?? 0), '127.0.0.1', function (this: import('node:net').Server) {
  process.send?.({ port: (this.address() as import('node:net').AddressInfo).port })
})
