import type { RequestListener } from 'node:http'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import Type from 'typebox'
import compose from '../../plugins/compose.ts'
import type { Part } from '../../proxy/compose-route.ts'
import { call, type Ending, startGateway, startService } from '../harness.ts'

const Text = Type.Object({ text: Type.String() })

/** A composition of one part, before a service that answers as told. */
async function start(
  t: Ending,
  part: Partial<Part<typeof Text>>,
  listener: RequestListener,
  options: { deadline?: number } = {}
) {
  let calls = 0
  const service = await startService(t, (request, response) => {
    calls++
    response.setHeader('content-type', 'application/json')
    listener(request, response)
  })
  const routes = async (app: FastifyInstance) => {
    await app.register(compose)
    app.addHook('onRequest', async request => {
      if (request.headers['x-test-sub'] === 'nobody') return
      request.user = {
        sub: String(request.headers['x-test-sub'] ?? 'ada'),
        roles: [],
        permissions: [],
        tier: 'free'
      }
    })
    app.compose({
      url: '/',
      response: Type.Object({ part: Type.Union([Type.String(), Type.Null()]) }),
      parts: { part: { upstream: 'products', upstreamResponse: Text, path: () => '/part', ...part } },
      toClient: ({ part }) => ({ part: part === null ? null : part.text })
    })
  }
  const { url, gateway } = await startGateway(t, {
    ...options,
    upstreams: { products: { url: service } },
    scopes: { x: { prefix: '/x', routes } }
  })
  return { url: `${url}/x`, gateway, calls: () => calls }
}

const answering: RequestListener = (_request, response) => response.end('{"text":"hello"}')

t.test('a part that exceeds its timeout is missing, and its call is cancelled', async t => {
  let waiting = 0
  const { url, gateway, calls } = await start(t, { timeout: 300 }, (_request, response) => {
    waiting++
    response.on('close', () => waiting--)
  })
  const answer = await call(url)
  t.equal(answer.status, 200)
  t.same(answer.json, { part: null, missing: ['part'] })
  t.equal(calls(), 1)
  while (waiting > 0) await new Promise(resolve => setTimeout(resolve, 5))
  t.match(gateway.upstream('products').state().breaker, { failures: 1 })
})

t.test('a required part that exceeds its timeout gets 504', async t => {
  const { url } = await start(t, { timeout: 50, required: true }, () => {})
  const answer = await call(url)
  t.equal(answer.status, 504)
  t.match(answer.json, { title: 'The service took too long to respond' })
})

t.test('the deadline ends the request even if only an optional part is late', async t => {
  const { url } = await start(t, {}, () => {}, { deadline: 50 })
  t.equal((await call(url)).status, 504)
})

t.test('a fallback replaces a failed part, which is then not missing', async t => {
  const { url } = await start(t, { fallback: { text: 'instead' } }, (_request, response) =>
    response.destroy()
  )
  const answer = await call(url)
  t.same(answer.json, { part: 'instead' })
  t.notOk(answer.headers.has('sluice-missing'))
  t.equal(answer.headers.get('sluice-fallback'), '"part"', 'the response names it')
  t.equal(answer.headers.get('cache-control'), 'no-store', 'caches must not store it')
})

t.test('a cached part is fetched once per ttl and consumer; failures are not cached', async t => {
  let isUp = true
  const { url, calls } = await start(t, { cache: { ttl: 60_000 } }, (request, response) => {
    if (isUp) answering(request, response)
    else response.destroy()
  })
  for (let i = 0; i < 3; i++) t.same((await call(url)).json, { part: 'hello' })
  t.equal(calls(), 1)
  t.same((await call(url, { headers: { 'x-test-sub': 'grace' } })).json, { part: 'hello' })
  t.equal(calls(), 2, 'each consumer has its own response')
  isUp = false
  t.same((await call(url, { headers: { 'x-test-sub': 'alan' } })).json, { part: null, missing: ['part'] })
  isUp = true
  t.same((await call(url, { headers: { 'x-test-sub': 'alan' } })).json, { part: 'hello' })
})

t.test('requests without a consumer are not cached', async t => {
  const { url, calls } = await start(t, { cache: { ttl: 60_000 } }, answering)
  for (let i = 1; i <= 2; i++) {
    await call(url, { headers: { 'x-test-sub': 'nobody' } })
    t.equal(calls(), i)
  }
})

t.test("a service's Retry-After is passed on with its status", async t => {
  const { url } = await start(t, { required: true }, (_request, response) => {
    response.writeHead(503, { 'retry-after': '17' }).end()
  })
  const answer = await call(url)
  t.equal(answer.status, 503)
  t.equal(answer.headers.get('retry-after'), '17')
})

t.test('each side of a split is cached on its own', async t => {
  const says = (text: string) =>
    startService(t, (_request, response) => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ text }))
    })
  const [stable, canary] = [await says('stable'), await says('canary')]
  for (const shared of [true, false]) {
    const routes = async (app: FastifyInstance) => {
      await app.register(compose)
      app.addHook('onRequest', async request => {
        request.user = { sub: 'ada', roles: [], permissions: [], tier: 'free' }
      })
      app.compose({
        url: '/',
        response: Text,
        parts: {
          part: {
            upstream: 'products',
            upstreamResponse: Text,
            path: () => '/',
            required: true,
            cache: { ttl: 60_000, shared }
          }
        },
        toClient: ({ part }) => part
      })
    }
    const { url, gateway } = await startGateway(t, {
      upstreams: {
        products: { url: stable, split: { by: 'header:x-tenant', to: { next: 0 }, override: 'x-side' } },
        next: { url: canary }
      },
      scopes: { x: { prefix: '/x', routes } }
    })
    const ask = async (side: string) => (await call(`${url}/x`, { headers: { 'x-side': side } })).json.text
    for (let i = 0; i < 2; i++) {
      t.equal(await ask('next'), 'canary')
      t.equal(await ask('products'), 'stable')
    }
    const calls = gateway.upstreams.map(upstream => upstream.state().endpoints[0]?.calls)
    t.same(calls, [1, 1], 'each is fetched once')
  }
})

t.test('a shared cache serves all consumers', async t => {
  const { url, calls } = await start(t, { cache: { ttl: 60_000, shared: true } }, answering)
  await call(url)
  await call(url, { headers: { 'x-test-sub': 'grace' } })
  t.equal(calls(), 1)
})

t.test('an error in path fails the part', async t => {
  const throwing = () => {
    throw Object.assign(new Error('no'), { statusCode: 400, code: 'SLUICE_TEST' })
  }
  const { url } = await start(t, { path: throwing, required: true }, answering)
  t.equal((await call(url)).status, 400)
})

t.test('the compiler requires toClient to handle a missing optional part', async t => {
  const routes = (app: FastifyInstance) =>
    app.compose({
      url: '/',
      response: Type.Object({ text: Type.String() }),
      parts: {
        needed: { upstream: 'products', upstreamResponse: Text, path: () => '/', required: true },
        optional: { upstream: 'products', upstreamResponse: Text, path: () => '/' }
      },
      // @ts-expect-error optional may be null
      toClient: ({ needed, optional }) => ({ text: needed.text + optional.text })
    })
  t.type(routes, 'function', 'checked by tsc')
})

t.test('a fallback must match upstreamResponse', async t => {
  const part = { fallback: { text: 5 } as never }
  await t.rejects(start(t, part, answering), { message: /^part 'part' has a fallback/ })
})

t.test('a response may be any JSON value; missing parts are listed if it is an object', async t => {
  const service = await startService(t, (request, response) => {
    if (request.url === '/b') return void response.destroy()
    response.setHeader('content-type', 'application/json').end('{"text":"x"}')
  })
  const Other = Type.Object({ other: Type.Optional(Type.String()) })
  const kinds: Record<string, [response: Type.TSchema, value: unknown, text: string]> = {
    object: [Text, { text: 'x' }, '{"text":"x","missing":["b"]}'],
    empty: [Type.Object({}), {}, '{"missing":["b"]}'],
    open: [Type.Object({}, { additionalProperties: Type.Number() }), { n: 1 }, '{"n":1,"missing":["b"]}'],
    intersect: [Type.Intersect([Text, Other]), { text: 'x' }, '{"text":"x","missing":["b"]}'],
    record: [Type.Record(Type.String(), Type.String()), { a: 'x' }, '{"a":"x","missing":["b"]}'],
    union: [Type.Union([Text, Type.Null()]), { text: 'x' }, '{"text":"x","missing":["b"]}'],
    unknown: [Type.Unknown(), { text: 'x', missing: 1 }, '{"text":"x","missing":["b"]}'],
    array: [Type.Array(Type.String()), ['x'], '["x"]'],
    text: [Type.String(), '{"x"', '"{\\"x\\""'],
    nothing: [Type.Null(), null, 'null']
  }
  const part = { upstream: 'things', upstreamResponse: Text }
  const routes = async (app: FastifyInstance) => {
    await app.register(compose)
    for (const [kind, [response, value]] of Object.entries(kinds))
      for (const b of ['/a', '/b'])
        app.compose({
          url: `/${kind}${b}`,
          response,
          parts: { a: { ...part, path: () => '/a' }, b: { ...part, path: () => b } },
          toClient: () => value
        })
  }
  const { url } = await startGateway(t, {
    upstreams: { things: { url: service, breaker: { failures: 1_000 }, retry: { attempts: 0 } } },
    scopes: { x: { prefix: '/x', routes } }
  })
  for (const [kind, [, value, text]] of Object.entries(kinds)) {
    const whole = await call(`${url}/x/${kind}/a`)
    t.same(whole.json, value, kind)
    t.notOk(whole.headers.has('sluice-missing'))
    const partial = await call(`${url}/x/${kind}/b`)
    t.equal(partial.text, text)
    t.equal(partial.status, 200)
    t.equal(partial.headers.get('sluice-missing'), '"b"')
    t.equal(partial.headers.get('cache-control'), 'no-store')
    t.equal(partial.headers.get('content-type'), 'application/json; charset=utf-8')
  }
})

t.test(
  'a change that toClient makes to a cached part or fallback does not affect later requests',
  async t => {
    const List = Type.Object({ items: Type.Array(Type.Number()) })
    let isUp = true
    let calls = 0
    const service = await startService(t, (_request, response) => {
      calls++
      if (isUp) response.setHeader('content-type', 'application/json').end('{"items":[3,1,2]}')
      else response.destroy()
    })
    const routes = async (app: FastifyInstance) => {
      await app.register(compose)
      const part = { upstream: 'things', upstreamResponse: List, path: () => '/' }
      for (const [url, options] of [
        ['/cached', { cache: { ttl: 60_000, shared: true } }],
        ['/fallback', { fallback: { items: [3, 1, 2] } }]
      ] as const)
        app.compose({
          url,
          response: List,
          parts: { list: { ...part, ...options } },
          toClient: ({ list }) => {
            const items = list?.items ?? []
            const before = [...items]
            items.sort().push(0)
            return { items: before }
          }
        })
    }
    const { url } = await startGateway(t, {
      upstreams: { things: { url: service, breaker: { failures: 1_000 }, retry: { attempts: 0 } } },
      scopes: { x: { prefix: '/x', routes } }
    })
    for (let i = 0; i < 3; i++) t.same((await call(`${url}/x/cached`)).json, { items: [3, 1, 2] })
    t.equal(calls, 1)
    isUp = false
    for (let i = 0; i < 3; i++) t.same((await call(`${url}/x/fallback`)).json, { items: [3, 1, 2] })
  }
)
