import t from 'tap'
import { call } from '../harness.ts'
import { internalOrder, type Seen, sendJson, startShopBefore } from './shop.ts'

const newOrder = {
  orderItems: [{ id: 'p-1', qty: 3, unitPrice: '0.10' }],
  shipping: { street: '1 Road', city: 'London', region: 'LDN', postalCode: 'N1', countryCode: 'GB' }
}

const post = (headers: Record<string, string>, body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: typeof body === 'string' ? body : JSON.stringify(body)
})

t.test('an order is mapped to the service, and its response back', async t => {
  const { url, seen, bearer } = await startShopBefore(t, {
    orders: (_seen, response) => sendJson(response, 201, internalOrder)
  })
  const answer = await call(
    `${url}/api/v1/orders`,
    post(
      {
        ...(await bearer('ada')),
        'x-client-id': 'web',
        'x-correlation-id': 'c-1',
        'x-user-id': 'mallory',
        cookie: 'a=b'
      },
      newOrder
    )
  )
  t.equal(answer.status, 201, "the service's status")
  t.same(answer.json, {
    id: 'o-1',
    status: 'confirmed',
    items: [
      { id: 'p-1', name: 'Sticker', quantity: 3, unitPrice: '0.10', subtotal: '0.30' },
      { id: 'p-2', name: 'Lamp', quantity: 1, unitPrice: '19.99', subtotal: '19.99' }
    ],
    total: '20.29',
    shipping: {
      address: { street: '1 Road', city: 'London', region: 'LDN', postalCode: 'N1', countryCode: 'GB' },
      estimatedDelivery: '2026-12-01'
    },
    createdAt: new Date(1_795_531_247_000).toISOString()
  })

  const [{ method, url: path, headers, body }] = seen.orders as [Seen]
  t.equal(`${method} ${path}`, 'POST /orders')
  t.same(JSON.parse(body), {
    userId: 'ada',
    items: [{ productId: 'p-1', quantity: 3, price: 0.1 }],
    shippingAddress: { street: '1 Road', city: 'London', state: 'LDN', zip: 'N1', country: 'GB' },
    metadata: { source: 'web', correlationId: 'c-1' }
  })
  t.match(body, '"price":0.10', 'a number, with the digits that the client wrote')
  t.match(headers, { 'x-user-id': 'ada', 'x-correlation-id': 'c-1', 'content-type': 'application/json' })
  t.equal(headers['content-length'], String(Buffer.byteLength(body)))
})

t.test('a missing correlation id is generated', async t => {
  const { url, seen, bearer } = await startShopBefore(t, {
    orders: (_seen, response) => sendJson(response, 201, internalOrder)
  })
  await call(`${url}/api/v1/orders`, post(await bearer('ada'), newOrder))
  const [{ headers, body }] = seen.orders as [Seen]
  t.match(headers['x-correlation-id'], /^[0-9a-f-]{36}$/)
  t.equal(JSON.parse(body).metadata.correlationId, headers['x-correlation-id'])
})

t.test('all faults of a body are listed by path, and the service is not called', async t => {
  const { url, seen, bearer } = await startShopBefore(t, {})
  const token = await bearer('ada')
  const item = newOrder.orderItems[0]
  const cases: [string, unknown, string[]][] = [
    ['no body at all', {}, ['/body/orderItems', '/body/shipping']],
    ['an array', [], ['/body']],
    ['null', 'null', ['/body']],
    ['no items', { ...newOrder, orderItems: [] }, ['/body/orderItems']],
    ['an unknown member', { ...newOrder, coupon: 'x' }, ['/body/coupon']],
    [
      'an unknown member of an item',
      { ...newOrder, orderItems: [{ ...item, price: 1 }] },
      ['/body/orderItems/0/price']
    ],
    [
      'several at once',
      {
        orderItems: [{ id: 1, qty: '3', unitPrice: 0.1 }],
        shipping: { ...newOrder.shipping, city: undefined }
      },
      [
        '/body/orderItems/0/id',
        '/body/orderItems/0/qty',
        '/body/orderItems/0/unitPrice',
        '/body/shipping/city'
      ]
    ]
  ]
  for (const qty of [0, -1, 1.5, '1', null, 1e9])
    cases.push([`qty ${qty}`, { ...newOrder, orderItems: [{ ...item, qty }] }, ['/body/orderItems/0/qty']])
  for (const unitPrice of ['', 'ten', '1,5', '-1', '1.', '.5', '1e3', '0x1', '01', ' 1', '1.234', 5])
    cases.push([
      `unitPrice ${unitPrice}`,
      { ...newOrder, orderItems: [{ ...item, unitPrice }] },
      ['/body/orderItems/0/unitPrice']
    ])

  for (const [what, body, paths] of cases) {
    const answer = await call(`${url}/api/v1/orders`, post(token, body))
    t.equal(answer.status, 400, what)
    t.match(answer.headers.get('content-type'), 'application/problem+json')
    t.equal(answer.json.title, 'Validation failed')
    t.same(answer.json.errors.map((error: { path: string }) => error.path).sort(), paths, what)
  }
  t.same(seen.orders, [])
})

t.test('a body that is invalid JSON, of another type or too large is rejected', async t => {
  const { url, seen, bearer } = await startShopBefore(t, {})
  const token = await bearer('ada')
  const statusOf = async (headers: Record<string, string>, body: string) =>
    (await call(`${url}/api/v1/orders`, post({ ...token, ...headers }, body))).status
  t.equal(await statusOf({}, '{"orderItems":'), 400)
  t.equal(await statusOf({}, ''), 400)
  t.equal(await statusOf({}, '{"__proto__":{"x":1}}'), 400)
  t.equal(await statusOf({ 'content-type': 'text/xml' }, '<order/>'), 415)
  t.equal(await statusOf({ 'content-type': 'text/plain' }, JSON.stringify(newOrder)), 415)
  t.equal(await statusOf({ 'content-type': 'application/x-www-form-urlencoded' }, 'a=b'), 415)
  t.equal(await statusOf({}, JSON.stringify({ ...newOrder, x: 'x'.repeat(1_100_000) })), 413)
  t.same(seen.orders, [])
})

t.test('an order is read; a missing one gets 404 without the service’s text', async t => {
  const { url, seen, bearer } = await startShopBefore(t, {
    orders: ({ url }, response) =>
      url === '/orders/o-1'
        ? sendJson(response, 200, internalOrder)
        : sendJson(response, 404, { error: 'table orders has no row' })
  })
  const token = await bearer('ada')
  t.equal((await call(`${url}/api/v1/orders/o-1`, { headers: token })).json.total, '20.29')
  const missing = await call(`${url}/api/v1/orders/a%2Fb`, { headers: token })
  t.match(missing.json, { type: 'about:blank', title: 'Not Found', status: 404 })
  t.notMatch(missing.text, /table/)
  t.same(
    seen.orders.map(({ url }) => url),
    ['/orders/o-1', '/orders/a%2Fb']
  )
  t.equal(
    (await call(`${url}/api/v1/orders/..`, { headers: token })).status,
    404,
    'a dot segment is tidied by the client'
  )
})

t.test('amounts are exact', async t => {
  const cases: [string, number, string, string][] = [
    ['0.1', 3, '0.10', '0.30'],
    ['1.005', 1000, '1.01', '1005.00'],
    ['0.07', 100, '0.07', '7.00'],
    ['12345678901234567.89', 2, '12345678901234567.89', '24691357802469135.78'],
    ['1e3', 2, '1000.00', '2000.00'],
    ['-5.5', 1, '-5.50', '-5.50'],
    ['0', 1, '0.00', '0.00']
  ]
  const { url, bearer } = await startShopBefore(t, {
    orders: ({ url }, response) => {
      const [price, quantity] = cases[Number(url.split('/').pop())] as [string, number, string, string]
      const text = JSON.stringify({
        ...internalOrder,
        items: [{ productId: 1, productName: 'n', quantity, price: 'PRICE' }]
      })
      sendJson(response, 200, text.replace('"PRICE"', price))
    }
  })
  const token = await bearer('ada')
  for (const [i, [price, quantity, unitPrice, subtotal]] of cases.entries()) {
    const { json } = await call(`${url}/api/v1/orders/${i}`, { headers: token })
    t.match(json.items[0], { unitPrice, subtotal }, `${quantity} x ${price}`)
  }
})

t.test('an invalid response gets 502 without its content', async t => {
  const { createdAt: _, ...incomplete } = internalOrder
  const answers: [string, (response: import('node:http').ServerResponse) => void][] = [
    ['no JSON', response => response.end('<html>stack trace</html>')],
    ['empty', response => response.end()],
    ['204', response => response.writeHead(204).end()],
    ['a redirect', response => response.writeHead(302, { location: 'http://internal/' }).end()],
    ['a member missing', response => sendJson(response, 200, incomplete)],
    ['a wrong type', response => sendJson(response, 200, { ...internalOrder, total: 'lots' })],
    ['no date', response => sendJson(response, 200, { ...internalOrder, createdAt: 'yesterday' })],
    ['too much of it', response => response.end(Buffer.alloc(9_000_000, '1'))],
    [
      'compressed unasked',
      response => response.writeHead(200, { 'content-encoding': 'gzip' }).end(Buffer.from([0x1f, 0x8b, 8]))
    ]
  ]
  const { url, bearer } = await startShopBefore(t, {
    orders: ({ url }, response) => answers[Number(url.split('/').pop())]?.[1](response)
  })
  const token = await bearer('ada')
  for (const [i, [what]] of answers.entries()) {
    const answer = await call(`${url}/api/v1/orders/${i}`, { headers: token })
    t.equal(answer.status, 502, what)
    t.match(answer.json, { title: 'The service sent an invalid response' })
    t.notMatch(answer.text, /stack|internal\/|secret/)
  }
})

t.test('orders need a token; without one the body is not read and the service is not called', async t => {
  const { url, seen } = await startShopBefore(t, {})
  const answer = await call(`${url}/api/v1/orders`, post({}, '{'))
  t.equal(answer.status, 401)
  t.match(answer.json, { title: 'Missing authorization token' })
  t.same(seen.orders, [])
})
