import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** The cheap service behind every subject: fixed answers by path, and nothing else. Says its port to its parent. */

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

const answers: [prefix: string, body: Buffer][] = [
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

/** `?bytes=` of zeros down, or whatever comes up, counted. */
async function exchangeHuge(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let received = 0
  for await (const chunk of request) received += chunk.length
  const bytes = Number(new URLSearchParams(request.url?.split('?')[1]).get('bytes') ?? 0)
  if (bytes === 0) return void response.end(String(received))
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes })
  for (let sent = 0; sent < bytes; sent += zeros.length)
    if (!response.write(zeros.subarray(0, Math.min(zeros.length, bytes - sent))))
      await once(response, 'drain')
  response.end()
}

const zeros = Buffer.alloc(65_536)

createServer((request, response) => {
  const url = request.url as string
  if (url.startsWith('/products/huge')) return void exchangeHuge(request, response)
  if (request.method === 'POST') request.resume()
  const body =
    url.startsWith('/users/') && url.includes('/orders')
      ? orders
      : (answers.find(([prefix]) => url.startsWith(prefix)) as [string, Buffer])[1]
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body)
}).listen(Number(process.env.PORT ?? 0), '127.0.0.1', function (this: import('node:net').Server) {
  process.send?.({ port: (this.address() as import('node:net').AddressInfo).port })
})
