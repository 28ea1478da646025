import type { RequestListener } from 'node:http'
import t from 'tap'
import { products } from '../../../routes/products.ts'
import {
  call,
  closedPort,
  type Ending,
  type RunningGateway,
  startGateway,
  startService
} from '../../harness.ts'
import { until } from '../../until.ts'

const scopes = { products: { prefix: '/products', routes: products } }

/** Starts services that respond with their index, and a gateway in front of them. */
async function start(
  t: Ending,
  count: number,
  options: object = {},
  listener: (index: number) => RequestListener = index => (_request, response) => response.end(`${index}`)
): Promise<RunningGateway & { urls: string[] }> {
  const urls = await Promise.all(
    Array.from({ length: count }, (_, index) => startService(t, listener(index)))
  )
  return { urls, ...(await startBefore(t, urls, options)) }
}

const startBefore = (t: Ending, urls: string[], options: object = {}) =>
  startGateway(t, {
    upstreams: {
      products: { breaker: { failures: 1_000 }, ...options, endpoints: urls.map(url => ({ url })) }
    },
    scopes
  })

const endpointsOf = ({ gateway }: RunningGateway) =>
  gateway.upstreams.flatMap(upstream => upstream.state().endpoints)

async function answers(gateway: RunningGateway, times: number, init?: RequestInit): Promise<string[]> {
  const texts: string[] = []
  for (let i = 0; i < times; i++) texts.push((await call(`${gateway.url}/products`, init)).text)
  return texts
}

t.test('retries of a failing endpoint spread over the others without shifting their turns', async t => {
  const urls = [await closedPort(), ...(await start(t, 2)).urls]
  for (const policy of ['round-robin', 'weighted']) {
    const gateway = await startBefore(t, urls, { balance: { policy }, ejection: { failures: 1_000 } })
    await answers(gateway, 12)
    t.same(
      endpointsOf(gateway).map(({ calls }) => calls),
      [4, 6, 6],
      policy
    )
  }
})

t.test('every policy works, and calls are counted per endpoint', async t => {
  for (const policy of ['p2c', 'round-robin', 'weighted', 'least-requests', 'hash']) {
    const gateway = await start(t, 3, { balance: { policy } })
    const texts = await answers(gateway, 60)
    const counted = endpointsOf(gateway)
    t.same(
      counted.map(({ calls }) => calls),
      [0, 1, 2].map(index => texts.filter(text => text === `${index}`).length),
      policy
    )
    t.ok(counted.every(({ inFlight, state, failures }) => !inFlight && state === 'healthy' && !failures))
    t.equal(new Set(texts).size, policy === 'hash' ? 1 : 3, 'hash by address: one client has one endpoint')
  }
})

t.test('calls in flight are counted until their last byte', async t => {
  const open: (() => void)[] = []
  const gateway = await start(t, 2, { balance: { policy: 'least-requests' } }, () => (_request, response) => {
    response.write('be')
    open.push(() => response.end('gun'))
  })
  const all = Array.from({ length: 10 }, () => call(`${gateway.url}/products`))
  await until(() => open.length === 10)
  t.same(
    endpointsOf(gateway).map(({ inFlight }) => inFlight),
    [5, 5]
  )
  for (const end of open) end()
  await Promise.all(all)
  await until(() => endpointsOf(gateway).every(({ inFlight }) => inFlight === 0))
})

t.test('the path of an endpoint precedes that of the request', async t => {
  const url = await startService(t, (request, response) => response.end(request.url))
  const gateway = await startBefore(t, [`${url}/one/`, `${url}/two`], { balance: { policy: 'round-robin' } })
  t.same(await answers(gateway, 2), ['/one/products', '/two/products'])
})

t.test('hash by header and by cookie: a value has one endpoint for all clients', async t => {
  for (const [hash, name] of [
    [{ header: 'x-tenant' }, 'x-tenant'],
    [{ cookie: 'session' }, 'cookie']
  ] as const) {
    const gateway = await start(t, 4, { balance: { policy: 'hash', hash } })
    const seen = new Set<string>()
    for (let i = 0; i < 60; i++) {
      const value = name === 'cookie' ? `a=b; session=${i}; session=x` : `${i}`
      const texts = await answers(gateway, 3, { headers: { [name]: value } })
      t.equal(new Set(texts).size, 1)
      seen.add(texts[0] as string)
    }
    t.equal(seen.size, 4)
    t.equal(new Set(await answers(gateway, 5)).size, 1, 'clients without a value are hashed by address')
  }
})

t.test(
  'sticky: a cookie without an address binds the client, besides the cookies of the service',
  async t => {
    const key = 'a secret of 16 or more'
    const gateway = await start(t, 3, { balance: { sticky: { key } } }, index => (_request, response) => {
      response.setHeader('set-cookie', ['own=1; Path=/', 'other=2'])
      response.end(`${index}`)
    })
    const first = await call(`${gateway.url}/products`)
    const [ours, ...own] = first.headers.getSetCookie().toSorted((a, b) => b.length - a.length)
    t.same(own, ['own=1; Path=/', 'other=2'])
    t.match(ours, /^sluice-products=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/)
    const cookie = (ours as string).split(';')[0] as string
    const again = await call(`${gateway.url}/products`, { headers: { cookie } })
    t.same(again.headers.getSetCookie(), ['own=1; Path=/', 'other=2'], 'set once')
    t.same(new Set(await answers(gateway, 20, { headers: { cookie } })), new Set([first.text]))
    for (const made of ['sluice-products=', 'sluice-products=made-up', `${cookie}x`]) {
      const replaced = await call(`${gateway.url}/products`, { headers: { cookie: made } })
      t.equal(replaced.headers.getSetCookie().length, 3, 'an unknown value is replaced')
    }
    const twin = await startBefore(t, gateway.urls, { balance: { sticky: { key } } })
    t.same(
      new Set(await answers(twin, 10, { headers: { cookie } })),
      new Set([first.text]),
      'in every gateway'
    )
  }
)

t.test('sticky: Secure for clients over https', async t => {
  const urls = [await startService(t, (_q, r) => r.end()), await startService(t, (_q, r) => r.end())]
  const { url } = await startGateway(t, {
    trustProxy: ['127.0.0.1'],
    upstreams: {
      products: {
        endpoints: urls.map(url => ({ url })),
        balance: { sticky: { key: '0123456789abcdef', cookie: 'bound' } }
      }
    },
    scopes
  })
  const answer = await call(`${url}/products`, { headers: { 'x-forwarded-proto': 'https' } })
  t.match(answer.headers.getSetCookie()[0], /^bound=.*; SameSite=Lax; Secure$/)
})

t.test('sticky: a client whose endpoint is ejected gets another one', async t => {
  let broken = ''
  const gateway = await start(
    t,
    2,
    { balance: { sticky: { key: '0123456789abcdef' } }, ejection: { failures: 2 } },
    index => (_request, response) => response.writeHead(broken === `${index}` ? 500 : 200).end(`${index}`)
  )
  const first = await call(`${gateway.url}/products`)
  const headers = { cookie: first.headers.getSetCookie()[0]?.split(';')[0] as string }
  broken = first.text
  t.equal((await call(`${gateway.url}/products`, { headers })).status, 500)
  t.equal((await call(`${gateway.url}/products`, { headers })).status, 500)
  const moved = await call(`${gateway.url}/products`, { headers })
  t.equal(moved.status, 200)
  t.not(moved.text, first.text)
  t.equal(moved.headers.getSetCookie().length, 1)
})

t.test('an endpoint that is down is ejected after five failures, and clients do not see its URL', async t => {
  const service = await startService(t, (_request, response) => response.end('up'))
  const dead = await closedPort()
  const gateway = await startBefore(t, [dead, service], {
    balance: { policy: 'round-robin' },
    retry: { attempts: 0 }
  })
  const texts = await answers(gateway, 30)
  t.equal(texts.filter(text => text === 'up').length, 25)
  t.notMatch(texts.join(), /127\.0\.0\.1/)
  t.match(endpointsOf(gateway), [
    { url: dead, state: 'ejected', failures: 5, ejections: 1, ejectedUntil: /Z$/ },
    { url: service, state: 'healthy', calls: 25 }
  ])
  const text = (await gateway.gateway.metrics?.metrics()) ?? ''
  t.match(text, `sluice_endpoint_state{upstream="products",endpoint="${dead}"} 1`)
  t.match(text, `sluice_endpoint_ejections_total{upstream="products",endpoint="${dead}"} 1`)
  t.match(text, `sluice_endpoint_calls_total{upstream="products",endpoint="${service}"} 25`)
})

t.test('an ejected endpoint returns after its time', async t => {
  let isUp = false
  const gateway = await start(
    t,
    2,
    { balance: { policy: 'round-robin' }, ejection: { failures: 1, time: 300 } },
    index => (_request, response) => response.writeHead(index === 0 && !isUp ? 500 : 200).end(`${index}`)
  )
  await answers(gateway, 2)
  t.equal(endpointsOf(gateway)[0]?.state, 'ejected')
  isUp = true
  await until(async () => (await answers(gateway, 1))[0] === '0')
  t.equal(endpointsOf(gateway)[0]?.state, 'healthy')
})

t.test('a single endpoint is never ejected, since the breaker handles it', async t => {
  const gateway = await start(t, 1, {}, () => (_request, response) => response.writeHead(500).end())
  await answers(gateway, 20)
  t.match(endpointsOf(gateway), [{ state: 'healthy', calls: 20, failures: 20, ejections: 0 }])
})

t.test('panic: with fewer than half healthy, all are used', async t => {
  const isUp = [true, true, true]
  const gateway = await start(
    t,
    3,
    { balance: { policy: 'round-robin' }, health: { path: '/healthz', interval: 30, unhealthy: 1 } },
    index => (request, response) => {
      response.writeHead(request.url === '/healthz' && !isUp[index] ? 503 : 200).end(`${index}`)
    }
  )
  const unhealthy = (count: number) =>
    until(() => endpointsOf(gateway).filter(({ state }) => state === 'unhealthy').length === count)
  isUp[0] = false
  await unhealthy(1)
  t.same(new Set(await answers(gateway, 12)), new Set(['1', '2']))
  isUp[1] = false
  await unhealthy(2)
  t.same(new Set(await answers(gateway, 12)), new Set(['0', '1', '2']))
  isUp[1] = true
  await unhealthy(1)
  t.same(new Set(await answers(gateway, 12)), new Set(['1', '2']))
})
