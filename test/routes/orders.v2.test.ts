import t from 'tap'
import { call } from '../harness.ts'
import { internalOrder, type Seen, sendJson, startShopBefore } from './shop.ts'

const pounds = (amount: string) => ({ amount, currency: 'GBP' })
const newOrder = {
  lines: [{ productId: 'p-1', quantity: 3, unitPrice: pounds('0.10') }],
  shipping: { street: '1 Road', city: 'London', region: 'LDN', postalCode: 'N1', countryCode: 'GB' }
}
const order = {
  id: 'o-1',
  status: 'confirmed',
  lines: [
    { productId: 'p-1', name: 'Sticker', quantity: 3, unitPrice: pounds('0.10'), subtotal: pounds('0.30') },
    { productId: 'p-2', name: 'Lamp', quantity: 1, unitPrice: pounds('19.99'), subtotal: pounds('19.99') }
  ],
  total: pounds('20.29'),
  shipping: {
    address: { street: '1 Road', city: 'London', region: 'LDN', postalCode: 'N1', countryCode: 'GB' },
    estimatedDelivery: '2026-12-01'
  },
  createdAt: new Date(1_795_531_247_000).toISOString()
}

const post = (headers: Record<string, string>, body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body)
})

t.test('an order has lines, and amounts with a currency', async t => {
  const { url, seen, bearer } = await startShopBefore(t, {
    orders: (_seen, response) => sendJson(response, 201, internalOrder)
  })
  const headers = { ...(await bearer('ada')), 'x-client-id': 'web', 'x-correlation-id': 'c-1' }
  const answer = await call(`${url}/api/v2/orders`, post(headers, newOrder))
  t.equal(answer.status, 201)
  t.same(answer.json, order)
  t.equal(answer.headers.get('deprecation'), null)
  const [{ method, url: path, body }] = seen.orders as [Seen]
  t.equal(`${method} ${path}`, 'POST /orders')
  t.same(JSON.parse(body), {
    userId: 'ada',
    items: [{ productId: 'p-1', quantity: 3, price: 0.1 }],
    shippingAddress: { street: '1 Road', city: 'London', state: 'LDN', zip: 'N1', country: 'GB' },
    metadata: { source: 'web', correlationId: 'c-1' }
  })
  t.match(body, '"price":0.10', 'a number, with the digits that the client wrote')
})

t.test('all faults of an order are listed by path', async t => {
  const { url, seen, bearer } = await startShopBefore(t, {})
  const token = await bearer('ada')
  const [line] = newOrder.lines
  const cases: [body: unknown, paths: string[]][] = [
    [{}, ['/body/lines', '/body/shipping']],
    [
      { ...newOrder, lines: [{ ...line, quantity: 0, unitPrice: { amount: '1.234', currency: 'EUR' } }] },
      ['/body/lines/0/quantity', '/body/lines/0/unitPrice/amount', '/body/lines/0/unitPrice/currency']
    ],
    [{ ...newOrder, lines: [{ ...line, unitPrice: '0.10' }] }, ['/body/lines/0/unitPrice']],
    [
      { orderItems: [{ id: 'p-1', qty: 1, unitPrice: '1' }], shipping: newOrder.shipping },
      ['/body/lines', '/body/orderItems']
    ]
  ]
  for (const [body, paths] of cases) {
    const { status, json } = await call(`${url}/api/v2/orders`, post(token, body))
    t.equal(status, 400)
    t.same(json.errors.map((error: { path: string }) => error.path).sort(), paths)
  }
  t.same(seen.orders, [])
})

t.test('an order is the same in both versions, however the version is chosen', async t => {
  const { url, bearer } = await startShopBefore(t, {
    orders: (_seen, response) => sendJson(response, 200, internalOrder)
  })
  const token = await bearer('ada')
  const read = (path: string, headers = {}) => call(url + path, { headers: { ...token, ...headers } })
  t.same((await read('/api/v2/orders/o-1')).json, order)
  t.same((await read('/api/orders/o-1')).json, order, 'by default')
  const v1 = await read('/api/v1/orders/o-1')
  t.match(v1.json, { items: [{ id: 'p-1', unitPrice: '0.10' }, { id: 'p-2' }], total: '20.29' })
  t.match(v1.headers.get('deprecation'), /^@\d+$/)
  t.equal(v1.headers.get('link'), '</api/v2/orders>; rel="successor-version"')
  t.same((await read('/api/orders/o-1', { 'accept-version': '1' })).json, v1.json)
  t.same((await read('/api/orders/o-1', { accept: 'application/json;version=1' })).json, v1.json)
  t.equal((await read('/api/v1/orders/o-1', { 'accept-version': '2' })).status, 400)
})

t.test('a malformed correlation id is replaced, and does not reject the order', async t => {
  const { url, seen, bearer } = await startShopBefore(t, {
    orders: (_seen, response) => sendJson(response, 201, internalOrder)
  })
  const token = await bearer('ada')
  const place = async (headers: Record<string, string>) => {
    t.equal((await call(`${url}/api/v2/orders`, post({ ...token, ...headers }, newOrder))).status, 201)
    const { headers: sent, body } = seen.orders.at(-1) as Seen
    const { correlationId, source } = JSON.parse(body).metadata
    t.equal(sent['x-correlation-id'], correlationId)
    return { correlationId, source }
  }
  t.equal((await place({ 'x-correlation-id': 'abc-123' })).correlationId, 'abc-123')
  for (const id of ['', ' ', 'order 66', 'q1w2/+==', '{0f8fad5b}', 'a, b', 'é', 'x'.repeat(200)])
    t.match((await place({ 'x-correlation-id': id })).correlationId, /^[\da-f-]{36}$/, id)
  t.equal((await place({ 'x-client-id': 'web' })).source, 'web')
  t.equal((await place({ 'x-client-id': 'x'.repeat(101) })).source, null)
})

t.test('an ambiguous date of the service gets 502', async t => {
  let dates = {}
  const { url, bearer } = await startShopBefore(t, {
    orders: (_seen, response) => sendJson(response, 200, { ...internalOrder, ...dates })
  })
  const token = await bearer('ada')
  const read = async (given: object) => {
    dates = given
    return call(`${url}/api/v2/orders/1`, { headers: token })
  }
  for (const createdAt of [
    '2026-11-24T10:00:00',
    '2026-11-31T10:00:00Z',
    '10',
    '2026-11-24',
    '',
    -1.5,
    1e300
  ])
    t.equal((await read({ createdAt })).status, 502, `createdAt ${createdAt}`)
  for (const estimatedDelivery of ['2026-11-31', '10', '2026-12-01T10:00:00', 'soon'])
    t.equal((await read({ estimatedDelivery })).status, 502, `estimatedDelivery ${estimatedDelivery}`)
  t.equal(
    (await read({ createdAt: '2026-11-24T10:00:00.123456+01:00' })).json.createdAt,
    '2026-11-24T09:00:00.123456Z'
  )
  const { shipping } = (await read({ estimatedDelivery: 1_796_083_200_000 })).json
  t.equal(shipping.estimatedDelivery, '2026-12-01T00:00:00.000Z')
})
