import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { problem, versions } from '../../index.ts'
import { call } from '../harness.ts'

const named = (name: string) => async (app: FastifyInstance) => {
  app.get('/:id', async ({ params }) => ({ name, ...(params as object) }))
}

/** Lets requests with a key through and names their consumer. */
async function authenticate(scope: FastifyInstance) {
  scope.addHook('onRequest', async request => {
    const { 'x-key': key } = request.headers
    if (key === undefined) throw Object.assign(new Error('No key'), { statusCode: 401 })
    request.user = { sub: String(key), tier: 'free', roles: [], permissions: [] }
  })
}

async function start(t: Test, register: (app: FastifyInstance) => Promise<void>) {
  const app = Fastify()
  t.teardown(() => app.close())
  await register(app)
  return { app, url: await app.listen({ port: 0, host: '127.0.0.1' }) }
}

for (const hasProblem of [false, true])
  t.test(`versions work in a bare app ${hasProblem ? 'with' : 'without'} problem`, async t => {
    const order: string[] = []
    const record = (step: string) => async (scope: FastifyInstance) => {
      scope.addHook('onRequest', async () => void order.push(step))
    }
    let shop: FastifyInstance | undefined
    const { url } = await start(t, async app => {
      if (hasProblem) await app.register(problem)
      app.decorateRequest('user')
      app.get('/other', async () => 'other')
      await app.register(
        async scope => {
          shop = scope
          await scope.register(versions, {
            prefix: '/{version}/things',
            versions: {
              v1: { routes: named('v1'), deprecated: '2020-01-01T00:00:00Z', sunset: '2021-01-01T00:00:00Z' },
              v2: { routes: named('v2'), deprecated: '2020-01-01T00:00:00Z' },
              v3: { routes: named('v3') }
            },
            version: { header: 'Accept-Version', query: 'version', default: 'v3' },
            beforeVersion: record('beforeVersion'),
            authenticate: async scope => {
              await record('authenticate')(scope)
              await authenticate(scope)
            }
          })
        },
        { prefix: '/shop' }
      )
    })
    const ask = async (path: string, headers: Record<string, string> = { 'x-key': 'ada' }) => {
      order.length = 0
      const answer = await call(url + path, { headers })
      return { ...answer, order: order.join() }
    }
    const all = 'beforeVersion,authenticate'

    const byPath = await ask('/shop/v2/things/7')
    t.same([byPath.status, byPath.json, byPath.order], [200, { name: 'v2', id: '7' }, all])
    t.equal(byPath.headers.get('link'), '</shop/v3/things>; rel="successor-version"', 'with the whole prefix')
    t.same((await ask('/shop/things/7')).json, { name: 'v3', id: '7' }, 'the default')
    t.same((await ask('/shop/things/7?version=2')).json, { name: 'v2', id: '7' })
    t.same((await ask('/shop/things/7', { 'x-key': 'ada', 'accept-version': 'v2' })).json.name, 'v2')
    t.equal((await ask('/other')).text, 'other')

    const unknown = await ask('/shop/v9/things/7', {})
    t.same([unknown.status, unknown.order], [400, 'beforeVersion'])
    t.equal((await ask('/shop/things/7?version=2', { 'accept-version': '3' })).status, 400)
    const stranger = await ask('/shop/v1/things/7', {})
    t.same([stranger.status, stranger.order], [401, all])
    const gone = await ask('/shop/v1/things/7')
    t.equal(gone.status, 410)
    const missing = await ask('/shop/v2/things/7/8')
    t.same([missing.status, missing.order], [404, 'beforeVersion'])
    if (hasProblem) {
      t.match(unknown.json, { type: 'urn:sluice:version-unknown', versions: ['v2', 'v3'] })
      t.match(gone.json, { type: 'urn:sluice:version-gone', successor: 'v2' })
    } else {
      t.match(unknown.json, { code: 'SLUICE_VERSION_UNKNOWN', message: 'No such API version' })
      t.match(gone.json, { code: 'SLUICE_VERSION_GONE', message: 'This API version has ended' })
    }
    t.match(shop?.versionStatus(9), [
      { scope: '/shop/{version}/things', version: 'v1', state: 'gone', calls: 1 },
      { version: 'v2', state: 'deprecated', calls: 3, consumers: [{ consumer: 'ada', calls: 3 }] },
      { version: 'v3', state: 'current', calls: 1 }
    ])
  })

t.test('two APIs of one app have their own versions', async t => {
  const { app, url } = await start(t, async app => {
    for (const name of ['orders', 'orders-archive'])
      await app.register(versions, {
        name,
        prefix: `/${name}`,
        versions: { v1: { routes: named(`${name} v1`) }, v2: { routes: named(`${name} v2`) } },
        version: { header: name === 'orders' ? 'accept-version' : 'archive-version', default: 'v1' }
      })
  })
  const ask = async (path: string, headers: Record<string, string>) =>
    (await call(url + path, { headers })).json.name
  t.equal(await ask('/orders/1', { 'accept-version': '2' }), 'orders v2')
  t.equal(await ask('/orders-archive/1', { 'accept-version': '2' }), 'orders-archive v1')
  t.equal(await ask('/orders-archive/1', { 'archive-version': '2' }), 'orders-archive v2')
  const statuses = app.versionStatus(1)
  t.equal(statuses.length, 4)
  t.match(statuses[1], {
    scope: 'orders',
    version: 'v2',
    lastCall: /^\d{4}-\d\d-\d\dT/,
    consumers: [{ consumer: '127.0.0.1' }]
  })
})

t.test('wrong options are rejected with every fault', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(
    async () =>
      await app.register(versions, {
        prefix: '/things/',
        versions: { v1: { routes: named('v1'), sunset: 'June' } },
        version: { heder: 'accept-version', default: 'v9' },
        authenticate: 'jwt'
      } as never),
    {
      code: 'SLUICE_INVALID_OPTIONS',
      message:
        /^versions: (?=.*\/prefix must be a path)(?=.*\/versions\/v1\/sunset must be an ISO 8601)(?=.*\/version\/heder is not known; did you mean header)(?=.*\/version\/default no version is named 'v9')(?=.*\/authenticate must be a function)/
    }
  )
})
