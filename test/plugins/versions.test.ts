import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { buildAdmin } from '../../admin/admin.ts'
import forward from '../../plugins/forward.ts'
import { call, startGateway, startService } from '../harness.ts'

/** Routes that answer with their name, and one that echoes by which pattern it was found. */
const named = (name: string) => async (app: FastifyInstance) => {
  app.get('/', async () => ({ name }))
  app.get('/:id', async () => ({ name }))
  app.post('/', async () => ({ name }))
}
const versions = { v1: { routes: named('v1') }, v2: { routes: named('v2') } }

t.test('path, header, media type and query select a version, and must agree', async t => {
  const { url } = await startGateway(t, {
    scopes: {
      things: {
        prefix: '/api/{version}/things',
        versions,
        version: { header: 'Accept-Version', mediaType: 'version', query: 'version', default: 'v2' }
      },
      others: { prefix: '/api/others', routes: named('other') }
    }
  })
  const cases: [path: string, headers: Record<string, string>, expected: string][] = [
    ['/api/v1/things', {}, 'v1'],
    ['/api/v2/things/1', {}, 'v2'],
    ['/api/things', {}, 'v2'],
    ['/api/things/1', { 'accept-version': 'v1' }, 'v1'],
    ['/api/things', { 'accept-version': '1' }, 'v1'],
    ['/api/things', { accept: 'application/json;version=1' }, 'v1'],
    ['/api/things', { accept: 'text/html, application/json; q=1; Version="v1"' }, 'v1'],
    ['/api/things', { accept: 'application/json;q=0.5' }, 'v2'],
    ['/api/things?version=1', {}, 'v1'],
    ['/api/things?a=version&version=v1&version=1', { 'accept-version': '1' }, 'v1'],
    ['/api/v1/things?version=1', { 'accept-version': 'v1' }, 'v1'],
    ['/api/others?version=9', { 'accept-version': 'x' }, 'other'],

    ['/api/v9/things', {}, 'version-unknown'],
    ['/api/v9/things/1/2?x', {}, 'version-unknown'],
    ['/api/1/things', {}, 'version-unknown'],
    ['/api/things', { 'accept-version': '3' }, 'version-unknown'],
    ['/api/things/1/2/3', { 'accept-version': 'banana' }, 'version-unknown'],
    ['/api/things', { 'accept-version': '' }, 'version-unknown'],
    ['/api/things', { 'accept-version': '1, 1' }, 'version-unknown'],
    ['/api/things?version=__proto__', {}, 'version-unknown'],
    ['/api/things', { accept: 'a/b;version=' }, 'version-unknown'],
    ['/api/v1/things', { 'accept-version': 'banana' }, 'version-unknown'],
    ['/api/v1/things', { 'accept-version': 'v2' }, 'version-conflict'],
    ['/api/v1/things?version=2', {}, 'version-conflict'],
    ['/api/things?version=2', { 'accept-version': 'v1' }, 'version-conflict'],
    ['/api/things', { accept: 'a/b;version=1, c/d;version=2' }, 'version-conflict'],

    ['/api/v1/things/1/2', {}, 'route-not-found'],
    ['/api/things/1/2', { 'accept-version': '1' }, 'route-not-found'],
    ['/api/thingsx', {}, 'route-not-found'],
    ['/api/v9/others', {}, 'route-not-found']
  ]
  for (const [path, headers, expected] of cases) {
    const { status, json } = await call(url + path, { headers })
    const what = `${path} ${JSON.stringify(headers)}`
    if (expected.startsWith('v') && !expected.startsWith('version')) t.same(json, { name: expected }, what)
    else if (expected === 'other') t.same(json, { name: 'other' }, what)
    else {
      t.equal(json.type, `urn:sluice:${expected}`, what)
      t.equal(status, expected === 'route-not-found' ? 404 : 400, what)
      if (status === 400) t.same(json.versions, ['v1', 'v2'], 'lists the served versions')
    }
  }
  const head = await fetch(`${url}/api/things`, { method: 'HEAD', headers: { 'accept-version': '1' } })
  t.equal(head.status, 200)
  for (const path of ['/api/v1/things/1', '/api/things/1']) {
    const wrong = await call(url + path, { method: 'DELETE' })
    t.equal(wrong.status, 405)
    t.equal(wrong.headers.get('allow'), 'GET, HEAD', 'the routes that answer 400 are not listed')
  }
})

t.test('without a default, a request must name a version', async t => {
  const { url } = await startGateway(t, {
    scopes: { things: { prefix: '/things', versions, version: { header: 'api-version' } } }
  })
  const { status, json, headers } = await call(`${url}/things`)
  t.equal(status, 400)
  t.match(json, { type: 'urn:sluice:version-missing', versions: ['v1', 'v2'] })
  t.equal(headers.get('vary'), 'api-version')
  const missing = await call(`${url}/things/1/2`, { headers: { 'api-version': '2' } })
  t.equal(missing.status, 404)
  t.equal(missing.headers.get('vary'), 'api-version', 'another version may have it')
  t.same((await call(`${url}/things`, { headers: { 'api-version': '2' } })).json, { name: 'v2' })
})

t.test('Vary names the sources of the version, also in errors, unless the path selected it', async t => {
  const service = await startService(t, (request, response) =>
    response
      .writeHead(request.url === '/none' ? 404 : 200, {
        vary: request.url === '/varies' ? 'Accept, Accept-Version' : request.url === '/any' ? '*' : 'Origin'
      })
      .end()
  )
  const routes = async (app: FastifyInstance) => {
    await app.register(forward)
    app.forward({ method: 'GET', url: '/*', upstream: 'things', prefix: '' })
    app.get('/broken', async () => Promise.reject(new Error('broken')))
  }
  const { url } = await startGateway(t, {
    upstreams: { things: { url: service } },
    scopes: {
      both: {
        prefix: '/{version}/both',
        versions: { v1: { routes } },
        version: { header: 'Accept-Version', mediaType: 'version', default: 'v1' }
      },
      query: { prefix: '/query', versions: { v1: { routes } }, version: { query: 'v', default: 'v1' } }
    }
  })
  const vary = async (path: string, version?: string) =>
    (
      await call(url + path, { headers: version === undefined ? {} : { 'accept-version': version } })
    ).headers.get('vary')
  t.equal(await vary('/both/x'), 'Origin, accept-version, accept')
  t.equal(await vary('/both/none'), 'Origin, accept-version, accept', "a service's error")
  t.equal(await vary('/both/varies'), 'Accept, Accept-Version', 'each name once')
  t.equal(await vary('/both/any'), '*')
  t.equal(await vary('/both/broken'), 'accept-version, accept', 'an error of the gateway')
  t.equal(await vary('/both/x', '9'), 'accept-version, accept', 'an unknown version')
  t.equal(await vary('/v1/both/x'), 'Origin')
  t.equal(await vary('/query/x'), 'Origin')
})

t.test('calls are counted by version; unknown versions do not become labels', async t => {
  const { url, gateway } = await startGateway(t, {
    scopes: {
      things: { prefix: '/{version}/things', versions, version: { header: 'accept-version', default: 'v2' } }
    }
  })
  for (const path of ['/v1/things', '/v1/things/1', '/things', '/made-up-1/things', '/made-up-2/things/x/y'])
    await call(url + path)
  await call(`${url}/things`, { headers: { 'accept-version': 'made-up-3' } })
  const text = (await gateway.metrics?.metrics()) ?? ''
  t.notMatch(text, /made-up/)
  t.match(text, 'sluice_version_requests_total{scope="things",version="v1"} 2\n')
  t.match(text, 'sluice_version_requests_total{scope="things",version="v2"} 1\n')
})

t.test('the admin API lists the consumers of each version, the most frequent first', async t => {
  let now = Date.parse('2026-11-24T12:00:00Z')
  const { url, gateway } = await startGateway(
    t,
    {
      trustProxy: ['127.0.0.1'],
      scopes: {
        things: {
          prefix: '/{version}/things',
          versions: {
            v1: { ...versions.v1, deprecated: '2026-11-01T00:00:00Z', sunset: '2027-05-01T00:00:00Z' },
            v2: versions.v2
          }
        },
        plain: { prefix: '/plain', routes: named('plain') }
      }
    },
    () => now
  )
  const admin = await buildAdmin(gateway, () => false)
  t.teardown(() => admin.close())
  const from = async (address: string, times: number) => {
    for (let i = 0; i < times; i++)
      await call(`${url}/v1/things`, { headers: { 'x-forwarded-for': address } })
  }
  await from('192.0.2.1', 2)
  now += 60_000
  await from('192.0.2.2', 3)
  await call(`${url}/plain`)

  const listed = async (query = '') => (await admin.inject(`/versions${query}`)).json()
  t.same(await listed(), [
    {
      scope: 'things',
      version: 'v1',
      state: 'deprecated',
      deprecated: '2026-11-01T00:00:00Z',
      sunset: '2027-05-01T00:00:00Z',
      successor: 'v2',
      calls: 5,
      lastCall: '2026-11-24T12:01:00.000Z',
      consumers: [
        { consumer: '192.0.2.2', calls: 3, lastCall: '2026-11-24T12:01:00.000Z' },
        { consumer: '192.0.2.1', calls: 2, lastCall: '2026-11-24T12:00:00.000Z' }
      ],
      known: 2,
      dropped: 0
    },
    {
      scope: 'things',
      version: 'v2',
      state: 'current',
      calls: 0,
      lastCall: null,
      consumers: [],
      known: 0,
      dropped: 0
    }
  ])
  t.match(await listed('?top=1'), [{ consumers: [{ consumer: '192.0.2.2' }], known: 2 }, {}])
  t.equal((await admin.inject('/versions?top=x')).statusCode, 400)
})
