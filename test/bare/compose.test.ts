import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import Type from 'typebox'
import { compose, path, problem, upstreams } from '../../index.ts'
import { call, startService } from '../harness.ts'

const Item = Type.Object({ id: Type.Union([Type.Integer(), Type.String()]), name: Type.String() })
const Start = Type.Object({
  user: Item,
  others: Type.Union([Type.Array(Item), Type.Null()])
})

async function start(t: Test, register: (app: FastifyInstance) => Promise<void>, hasProblem = false) {
  let isUp = true
  let calls = 0
  const url = await startService(t, (request, response) => {
    calls++
    response.setHeader('content-type', 'application/json')
    const item = `{"id":9007199254740993,"name":"${request.url}","secret":1}`
    if (request.url === '/users/none') response.writeHead(404).end('secret')
    else if (request.url?.startsWith('/others')) isUp ? response.end(`[${item}]`) : response.destroy()
    else response.end(item)
  })
  const app = Fastify()
  t.teardown(() => app.close())
  if (hasProblem) await app.register(problem)
  await app.register(upstreams, { upstreams: { shop: { url } } })
  await register(app)
  const own = await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    ask: (path: string) => call(own + path),
    calls: () => calls,
    stop: () => {
      isUp = false
    }
  }
}

for (const hasProblem of [false, true])
  t.test(`compose works in a bare app ${hasProblem ? 'with' : 'without'} problem`, async t => {
    const { ask, stop } = await start(
      t,
      async app => {
        await app.register(
          async scope => {
            await scope.register(compose)
            scope.compose({
              url: '/:id',
              params: Type.Object({ id: Type.String({ maxLength: 5 }) }),
              parts: {
                user: {
                  upstream: 'shop',
                  required: true,
                  upstreamResponse: Item,
                  path: ({ params }) => path`/users/${(params as { id: string }).id}`
                },
                others: { upstream: 'shop', upstreamResponse: Type.Array(Item), path: () => '/others' }
              },
              response: Start,
              toClient: ({ user, others }) => ({ user, others })
            })
          },
          { prefix: '/start' }
        )
      },
      hasProblem
    )
    const id = '9007199254740993'
    const whole = await ask('/start/ada')
    t.equal(whole.status, 200)
    t.same(whole.json, { user: { id, name: '/users/ada' }, others: [{ id, name: '/others' }] })

    const unknown = await ask('/start/none')
    t.equal(unknown.status, 404)
    t.match(unknown.json, hasProblem ? { title: 'Not Found' } : { statusCode: 404, message: 'Not Found' })
    t.notMatch(unknown.text, 'secret')
    t.equal((await ask('/start/toolong')).status, 400)

    stop()
    const partial = await ask('/start/ada')
    t.equal(partial.status, 200)
    t.same(partial.json, { user: { id, name: '/users/ada' }, others: null, missing: ['others'] })
    t.equal(partial.headers.get('sluice-missing'), '"others"')
    t.equal(partial.headers.get('cache-control'), 'no-store')
  })

t.test('a cache keeps no more bytes than maxBytes, and drops what was used least recently', async t => {
  const part = { upstream: 'shop', required: true, upstreamResponse: Item } as const
  const { ask, calls } = await start(t, async app => {
    await app.register(compose)
    // Room for two responses, which count about 1.2 KB each.
    for (const [url, maxBytes] of [
      ['/two', 3_000],
      ['/none', 1_000]
    ] as const)
      app.compose({
        url: `${url}/:id`,
        parts: {
          user: {
            ...part,
            path: ({ params }) => path`/users/${(params as { id: string }).id}`,
            cache: { ttl: 60_000, shared: true, maxBytes }
          }
        },
        response: Type.Object({ name: Type.String() }),
        toClient: ({ user }) => ({ name: user.name })
      })
  })
  const callsFor = async (...paths: string[]) => {
    const before = calls()
    for (const path of paths) t.equal((await ask(path)).status, 200)
    return calls() - before
  }
  t.equal(await callsFor('/two/a', '/two/b', '/two/a', '/two/b'), 2)
  t.equal(await callsFor('/two/a', '/two/c', '/two/a'), 1, 'b is dropped')
  t.equal(await callsFor('/two/b', '/two/a'), 1, 'c is dropped')
  t.equal(await callsFor('/none/a', '/none/a'), 2, 'a response larger than the cache is not kept')
})

t.test('wrong options are rejected with every fault', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => await app.register(compose), { message: /^compose needs upstreams/ })
  await t.rejects(async () => await Fastify().register(compose, { upstream: 'x' } as never), {
    message: 'compose: /upstream is not known'
  })

  const part = { upstream: 'shop', upstreamResponse: Item, path: () => '/' }
  const route = { url: '/x', response: Start, toClient: () => ({ user: { id: '', name: '' }, others: null }) }
  await start(t, async app => {
    await app.register(compose)
    const parts = { a: { ...part, timout: 1, cache: { ttl: 0 } }, b: { upstream: 'shop' } }
    t.throws(() => app.compose({ ...route, parts } as never), {
      name: 'ConfigError',
      message:
        /^(?=.*GET \/x \/parts\/a\/timout is not known; did you mean timeout)(?=.*\/parts\/a\/cache\/ttl must be >= 1)(?=.*\/parts\/b\/path is missing)/s
    })
    t.throws(() => app.compose({ ...route, parts: { a: { ...part, upstream: 'shops' } } }), {
      message: /^GET \/x: no upstream is named 'shops'/
    })
    t.throws(() => app.compose({ ...route, parts: { a: { ...part, fallback: { id: [] } } } } as never), {
      message: /part 'a' has a fallback that does not match its upstreamResponse/
    })
  })
})
