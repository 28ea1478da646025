import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import Type from 'typebox'
import { defineTransform, path, problem, step, transform, upstreams, versions } from '../../index.ts'
import { call, startService } from '../harness.ts'

const strict = { additionalProperties: false }

const placeOrder = defineTransform({
  method: 'POST',
  url: '/:shop/orders',
  upstream: 'orders',
  params: Type.Object({ shop: Type.String({ pattern: '^[a-z]+$' }) }),
  body: Type.Object({ quantity: Type.Integer({ minimum: 1 }) }, strict),
  upstreamResponse: Type.Object({ orderId: Type.Union([Type.Integer(), Type.String()]), n: Type.Integer() }),
  response: Type.Object({ id: Type.String(), quantity: Type.Integer() }),
  toUpstream: ({ params, body }) => ({
    method: 'POST',
    path: path`/internal/${params.shop}`,
    body: { n: body.quantity }
  }),
  toClient: ({ orderId, n }) => ({ id: String(orderId), quantity: n, secret: 'no' })
})

async function start(t: Test, register: (app: FastifyInstance) => Promise<void>, hasProblem = false) {
  const requests: { url: string | undefined; body: string }[] = []
  const url = await startService(t, async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    requests.push({ url: request.url, body })
    if (request.url === '/internal/closed') return response.writeHead(409).end('secret')
    response.setHeader('content-type', 'application/json')
    // The id is not a number that a double can hold.
    response.writeHead(201).end(`{"orderId":9007199254740993,"secret":1,"n":${JSON.parse(body).n}}`)
  })
  const app = Fastify()
  t.teardown(() => app.close())
  if (hasProblem) await app.register(problem)
  await app.register(upstreams, { upstreams: { orders: { url } } })
  await register(app)
  const own = await app.listen({ port: 0, host: '127.0.0.1' })
  const post = (path: string, body: string, type = 'application/json') =>
    call(own + path, { method: 'POST', headers: { 'content-type': type }, body })
  return { requests, post }
}

for (const hasProblem of [false, true])
  t.test(`transform works in a bare app ${hasProblem ? 'with' : 'without'} problem`, async t => {
    const register = async (app: FastifyInstance) => {
      // Routes of the app itself keep its compilers, which coerce bodies and drop unknown members.
      app.post('/own', { schema: { body: placeOrder.body } }, async ({ body }) => body)
      await app.register(async scope => {
        await scope.register(transform)
        scope.transform(placeOrder)
      })
    }
    const { requests, post } = await start(t, register, hasProblem)

    const placed = await post('/north/orders', '{"quantity":2}')
    t.equal(placed.status, 201)
    t.same(
      placed.json,
      { id: '9007199254740993', quantity: 2 },
      'digits are kept; other members are not sent'
    )
    t.same(requests, [{ url: '/internal/north', body: '{"n":2}' }])
    t.equal((await post('/north/orders', '{"quantity":2}', 'application/vnd.shop+json')).status, 201)
    requests.length = 0

    const wrong = [
      await post('/north/orders', '{"quantity":"2"}'),
      await post('/north/orders', '{"quantity":2,"more":1}'),
      await post('/north/orders', '{"quantity":9007199254740993}'),
      await post('/North/orders', '{"quantity":2}')
    ]
    for (const { status, json } of wrong) {
      t.equal(status, 400)
      t.match(json, hasProblem ? { type: 'urn:sluice:validation-failed' } : { code: 'FST_ERR_VALIDATION' })
    }
    t.same(requests, [], 'the service is not called')
    t.equal((await post('/north/orders', 'quantity=2', 'text/csv')).status, 415)

    const closed = await post('/closed/orders', '{"quantity":2}')
    t.equal(closed.status, 409)
    t.match(closed.json, hasProblem ? { title: 'Conflict' } : { message: 'Conflict', statusCode: 409 })
    t.notMatch(closed.text, 'secret')

    t.same((await post('/own', '{"quantity":"2","more":1}')).json, { quantity: 2 })
  })

t.test('an older version is a step from the next one in a bare app too', async t => {
  const v1 = step(placeOrder, {
    request: {
      body: Type.Object({ amount: Type.Integer() }, strict),
      toNext: ({ body }) => ({ body: { quantity: body.amount } })
    },
    response: {
      schema: Type.Object({ number: Type.String() }),
      fromNext: ({ id }) => ({ number: id })
    },
    faults: { '/body/quantity': '/body/amount' }
  })
  const routes = (route: typeof placeOrder | typeof v1) => async (app: FastifyInstance) => {
    await app.register(transform)
    app.transform(route as typeof placeOrder)
  }
  const { post } = await start(
    t,
    async app => {
      await app.register(versions, {
        prefix: '/{version}',
        versions: { v1: { routes: routes(v1) }, v2: { routes: routes(placeOrder) } }
      })
    },
    true
  )
  t.same((await post('/v2/north/orders', '{"quantity":3}')).json, { id: '9007199254740993', quantity: 3 })
  t.same((await post('/v1/north/orders', '{"amount":3}')).json, { number: '9007199254740993' })
  t.match((await post('/v1/north/orders', '{"amount":0}')).json, {
    errors: [{ path: '/body/amount', message: 'must be >= 1' }]
  })
})

t.test('schemas of a scope can be referenced, and a route may have its own compilers', async t => {
  const { post } = await start(t, async app => {
    await app.register(transform)
    await app.register(async scope => {
      scope.addSchema({ $id: 'quantity', type: 'integer', minimum: 5 })
      scope.transform({
        ...placeOrder,
        url: '/:shop/large',
        body: {
          type: 'object',
          required: ['quantity'],
          properties: { quantity: { $ref: 'quantity#' } }
        } as never
      })
    })
    app.transform({ ...placeOrder, url: '/:shop/any', validatorCompiler: () => () => true })
  })
  t.equal((await post('/north/large', '{"quantity":4}')).status, 400)
  t.equal((await post('/north/large', '{"quantity":5}')).status, 201)
  t.equal((await post('/north/any', '{"quantity":0}')).status, 201)
})

t.test('wrong options are rejected with every fault', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => await app.register(transform), { message: /^transform needs upstreams/ })
  await t.rejects(async () => await Fastify().register(transform, { upstream: 'x' } as never), {
    message: 'transform: /upstream is not known'
  })

  const { toClient: _, ...incomplete } = placeOrder
  await start(t, async app => {
    await app.register(transform)
    t.throws(() => app.transform({ ...incomplete, method: 'FETCH', passUnauthorized: 'no' } as never), {
      name: 'ConfigError',
      message:
        /^(?=.*FETCH \/:shop\/orders \/method must be one of GET, POST)(?=.*\/passUnauthorized must be boolean)(?=.*\/toClient is missing)/s
    })
    t.throws(() => app.transform({ ...placeOrder, upstream: 'order' }), {
      message: /^POST \/:shop\/orders: no upstream is named 'order'; there are: orders/
    })
  })
})
