import fastifyCors from '@fastify/cors'
import Fastify, { type FastifyPluginAsync } from 'fastify'
import { cors, problem } from 'sluice'
import t from 'tap'
import { call } from '../harness.ts'
import { listen } from './app.ts'

const ORIGIN = 'https://app.example'

t.test('cors answers preflights and adds its headers in a bare app', async t => {
  const app = Fastify()
  await app.register(
    async scope => {
      await scope.register(cors, { origins: [ORIGIN] })
      scope.get('/', async () => 'hello')
    },
    { prefix: '/open' }
  )
  app.get('/closed', async () => 'hello')
  const url = await listen(t, app)

  const preflight = await call(`${url}/open`, {
    method: 'OPTIONS',
    headers: { origin: ORIGIN, 'access-control-request-method': 'GET' }
  })
  t.equal(preflight.status, 204)
  t.equal(preflight.headers.get('access-control-allow-origin'), ORIGIN)
  const read = await call(`${url}/open`, { headers: { origin: ORIGIN } })
  t.equal(read.headers.get('access-control-allow-origin'), ORIGIN)
  const closed = await call(`${url}/closed`, { headers: { origin: ORIGIN } })
  t.equal(closed.headers.get('access-control-allow-origin'), null)
})

t.test(
  "an OPTIONS that is no preflight gets Fastify's error, or a problem with the problem plugin",
  async t => {
    for (const withProblem of [false, true]) {
      const app = Fastify()
      if (withProblem) await app.register(problem)
      await app.register(cors, { origins: ['*'] })
      app.get('/', async () => 'hello')
      const url = await listen(t, app)
      const { status, json } = await call(url, { method: 'OPTIONS' })
      t.equal(status, 400)
      t.match(json, withProblem ? { type: 'urn:sluice:not-preflight' } : { code: 'SLUICE_NOT_PREFLIGHT' })
    }
  }
)

t.test('cors rejects wrong options, all at once', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(Promise.resolve(app.register(cors, { origins: ['app.example'], maxage: 5 } as never)), {
    code: 'SLUICE_INVALID_OPTIONS',
    message: /cors: \/maxage is not known; did you mean maxAge\?; \/origins\/0 must be an origin/
  })
})

t.test('cors fails with a clear message below another one, whose preflights it would not see', async t => {
  for (const [plugin, options] of [
    [cors, { origins: ['https://app.example'] }],
    [fastifyCors, { origin: 'https://app.example' }]
  ] as [FastifyPluginAsync, object][]) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(plugin, options)
    await t.rejects(Promise.resolve(app.register(async scope => scope.register(cors, { origins: ['*'] }))), {
      message: /^cors: @fastify\/cors or cors is registered on this scope or a parent/
    })
  }
})
