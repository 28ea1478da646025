import t from 'tap'
import Type from 'typebox'
import { resolveConfig } from '../../config/resolve-config.ts'
import compose from '../../plugins/compose.ts'
import { hashOf } from '../../proxy/endpoints/balance/hash.ts'
import { call, startGateway, startService } from '../harness.ts'
import { forwarding } from './service.ts'

async function start(t: Tap, split: object) {
  const side = (name: string) =>
    startService(t, (_request, response) =>
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ side: name }))
    )
  const [orders, canary, next] = await Promise.all(['orders', 'canary', 'next'].map(side))
  const { url } = await startGateway(t, {
    upstreams: {
      orders: { url: orders as string, split: split as never },
      canary: { url: canary as string },
      next: { url: next as string }
    },
    scopes: {
      orders: { prefix: '/orders', routes: forwarding },
      composed: {
        prefix: '/composed',
        routes: async app => {
          await app.register(compose)
          app.compose({
            url: '/',
            response: Type.Object({ side: Type.String() }),
            parts: {
              order: {
                upstream: 'orders',
                required: true,
                path: () => '/',
                upstreamResponse: Type.Object({ side: Type.String() })
              }
            },
            toClient: ({ order }) => order
          })
        }
      }
    }
  })
  return async (headers: Record<string, string>, path = '/orders') =>
    (await call(url + path, { headers })).json.side as string
}
type Tap = { teardown(end: () => unknown): void }

t.test('sides get their ratio, and a key keeps its side', async t => {
  const sideOf = await start(t, { by: 'header:x-tenant', to: { canary: 20, next: 30 } })
  const first: string[] = []
  for (let i = 0; i < 300; i++) first.push(await sideOf({ 'x-tenant': `tenant-${i}` }))
  const count = (name: string) => first.filter(side => side === name).length
  t.ok(Math.abs(count('canary') - 60) < 30, `${count('canary')} of 300 at the canary`)
  t.ok(Math.abs(count('next') - 90) < 35, `${count('next')} of 300 at the next`)
  for (let i = 0; i < 30; i++) t.equal(await sideOf({ 'x-tenant': `tenant-${i}` }), first[i])
  t.equal(await sideOf({}), 'orders', 'requests without the header get the default')
  t.equal(
    await sideOf({ 'x-tenant': `tenant-${first.indexOf('canary')}` }, '/composed'),
    'canary',
    'a composition is split the same way'
  )
})

t.test('clients without a token are split by address', async t => {
  const sideOf = await start(t, { to: { canary: 50 } })
  const first = await sideOf({})
  for (let i = 0; i < 20; i++) t.equal(await sideOf({}), first)
})

t.test('0 and 100 are exact; random splits are not sticky', async t => {
  const none = await start(t, { by: 'random', to: { canary: 0 } })
  const all = await start(t, { by: 'random', to: { canary: 100 } })
  const some = await start(t, { by: 'random', to: { canary: 50 } })
  const seen = new Set<string>()
  for (let i = 0; i < 50; i++) {
    t.equal(await none({}), 'orders')
    t.equal(await all({}), 'canary')
    seen.add(await some({}))
  }
  t.same([...seen].sort(), ['canary', 'orders'])
})

t.test('a header chooses the side only if configured, and only among the sides', async t => {
  const closed = await start(t, { by: 'random', to: { canary: 0 } })
  t.equal(await closed({ 'x-side': 'canary' }), 'orders')
  const open = await start(t, { by: 'random', to: { canary: 0 }, override: 'x-side' })
  t.equal(await open({ 'x-side': 'canary' }), 'canary')
  t.equal(await open({ 'x-side': 'next' }), 'orders', 'next is no side here')
  t.equal(await open({ 'x-side': '__proto__' }), 'orders')
})

t.test('the hash is even over similar keys', async t => {
  const tenths = Array<number>(10).fill(0)
  for (let i = 0; i < 10_000; i++) {
    const tenth = Math.floor((hashOf(`orders user-${i}`) / 2 ** 32) * 10)
    tenths[tenth] = (tenths[tenth] as number) + 1
  }
  for (const count of tenths) t.ok(Math.abs(count - 1_000) < 150, String(count))
})

t.test('a split or a mirror must name another existing upstream', async t => {
  const url = 'http://127.0.0.1:1'
  const upstreams = {
    a: { url, split: { to: { a: 1, nope: 1 } }, mirror: { to: 'none' } },
    b: { url, split: { by: 'cookie', to: { a: 60, c: 50 } }, mirror: { to: 'b' } },
    c: { url, split: { by: 'header:X', to: { a: 101 } } }
  }
  try {
    resolveConfig({ default: { upstreams } }, {})
    t.fail('it is rejected')
  } catch (error) {
    const faults = (error as { faults: { path: string; message: string }[] }).faults
    const paths = faults.map(({ path }) => path)
    for (const path of [
      '/upstreams/a/split/to/a',
      '/upstreams/a/split/to/nope',
      '/upstreams/a/mirror/to',
      '/upstreams/b/split/by',
      '/upstreams/b/split/to',
      '/upstreams/b/mirror/to',
      '/upstreams/c/split/by',
      '/upstreams/c/split/to/a'
    ])
      t.ok(paths.includes(path), path)
  }
})
