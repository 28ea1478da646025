import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { resolveConfig } from '../../config/resolve-config.ts'
import { startIdentityProvider } from '../../demo/identity.ts'
import forward from '../../plugins/forward.ts'
import type { ConfigError } from '../../schemas/options/faults.ts'
import { call, startGateway, startService } from '../harness.ts'

const at = (instant: string) => Date.parse(instant)
const routes = async (app: FastifyInstance) => {
  app.get('/', async () => ({ hello: 'world' }))
  app.get('/broken', async () => Promise.reject(new Error('broken')))
}

t.test('every response of a version announces its end and its successor', async t => {
  const service = await startService(t, (_request, response) =>
    response
      .writeHead(503, { link: '</next>; rel="next"', deprecation: 'true', sunset: 'soon' })
      .end('service')
  )
  const forwarding = async (app: FastifyInstance) => {
    await routes(app)
    await app.register(forward)
    app.forward({ method: 'GET', url: '/forwarded', upstream: 'things', prefix: '' })
  }
  let now = at('2023-01-01T00:00:00Z')
  const old = { deprecated: '2023-06-30T23:59:59Z', sunset: '2024-06-30T23:59:59+00:00' }
  const { url } = await startGateway(
    t,
    {
      upstreams: { things: { url: service } },
      scopes: {
        things: {
          prefix: '/api/{version}/things',
          versions: {
            v1: {
              routes: forwarding,
              ...old,
              links: { deprecation: 'https://docs.example/v1 "<x>"', sunset: 'https://docs.example/end' }
            },
            v2: { routes, ...old },
            v3: { routes }
          },
          version: { header: 'accept-version', default: 'v1' }
        },
        queried: {
          prefix: '/queried',
          versions: { v1: { routes, ...old }, v2: { routes } },
          version: { query: 'v', default: 'v1' }
        }
      }
    },
    () => now
  )
  const announced = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await call(url + path, { headers })
    const named = ['deprecation', 'sunset', 'link'].map(name => answer.headers.get(name))
    return [answer.status, ...named]
  }
  const dates = ['@1688169599', 'Sun, 30 Jun 2024 23:59:59 GMT']
  const links =
    '<https://docs.example/v1%20%22%3Cx%3E%22>; rel="deprecation", <https://docs.example/end>; rel="sunset", ' +
    '</api/v2/things>; rel="successor-version", </api/v3/things>; rel="latest-version"'
  t.same(await announced('/api/v1/things'), [200, ...dates, links])
  t.same(await announced('/api/v1/things/broken'), [500, ...dates, links], 'an error of the gateway')
  t.same(
    await announced('/api/v1/things/forwarded'),
    [503, ...dates, `</next>; rel="next", ${links}`],
    "a service's error, with its own links"
  )
  t.same(await announced('/api/things'), [200, ...dates, links], 'by header')
  t.same(await announced('/api/v2/things'), [200, ...dates, '</api/v3/things>; rel="successor-version"'])
  t.same(await announced('/api/v3/things'), [200, null, null, null])
  t.same(await announced('/api/things', { 'accept-version': 'v3' }), [200, null, null, null])
  t.same(await announced('/queried'), [200, ...dates, '</queried?v=v2>; rel="successor-version"'])

  now = at('2024-06-30T23:59:58.999Z')
  t.equal((await call(`${url}/api/v1/things`)).status, 200, 'until its last second')
  now = at('2024-06-30T23:59:59Z')
  t.same(await announced('/api/v1/things'), [410, ...dates, links])
  t.match((await call(`${url}/api/v1/things`)).json, {
    type: 'urn:sluice:version-gone',
    title: 'This API version has ended',
    status: 410,
    successor: 'v2'
  })
  t.equal((await call(`${url}/api/v3/things`)).status, 200)
  t.same((await call(`${url}/api/v9/things`)).json.versions, ['v3'], 'ended versions are not listed')
})

t.test('a brownout answers 410 while it lasts, and repeats', async t => {
  let now = 0
  const { url } = await startGateway(
    t,
    {
      scopes: {
        things: {
          prefix: '/{version}/things',
          versions: {
            v1: {
              routes,
              deprecated: '2026-01-01T00:00:00Z',
              sunset: '2026-12-01T00:00:00Z',
              brownouts: [
                { from: '2026-05-01T09:00:00Z', to: '2026-05-01T10:00:00Z' },
                { from: '2026-06-01T09:00:00Z', to: '2026-06-01T09:10:00Z', every: 86_400_000 }
              ]
            },
            v2: { routes }
          }
        }
      }
    },
    () => now
  )
  const cases: [instant: string, status: number, retryAfter: string | null][] = [
    ['2026-05-01T08:59:59.999Z', 200, null],
    ['2026-05-01T09:00:00Z', 410, '3600'],
    ['2026-05-01T09:59:58.500Z', 410, '2'],
    ['2026-05-01T10:00:00Z', 200, null],
    ['2026-05-02T09:05:00Z', 200, null],
    ['2026-06-01T09:05:00Z', 410, '300'],
    ['2026-06-01T09:10:00Z', 200, null],
    ['2026-06-15T09:09:00Z', 410, '60'],
    ['2026-06-15T10:00:00Z', 200, null]
  ]
  for (const [instant, status, retryAfter] of cases) {
    now = at(instant)
    const answer = await call(`${url}/v1/things`)
    t.equal(answer.status, status, instant)
    t.equal(answer.headers.get('retry-after'), retryAfter, instant)
    t.equal(answer.headers.get('deprecation'), '@1767225600', instant)
    t.equal(
      answer.headers.get('cache-control'),
      status === 410 ? 'no-store' : null,
      'the 410 must not be stored'
    )
  }
  now = at('2026-06-15T09:09:00Z')
  t.match((await call(`${url}/v1/things`)).json, {
    type: 'urn:sluice:version-brownout',
    retryAfter: 60,
    successor: 'v2'
  })
  t.equal((await call(`${url}/v2/things`)).status, 200)
})

t.test('consumers of an ended version are counted by name; requests without a token get 401', async t => {
  const provider = await startIdentityProvider({})
  t.teardown(() => provider.close())
  const { url, gateway } = await startGateway(
    t,
    {
      issuers: { shop: { issuer: provider.issuer, audience: 'api://gateway' } },
      scopes: {
        things: {
          prefix: '/{version}/things',
          jwt: 'shop',
          versions: { v1: { routes, sunset: '2026-01-01T00:00:00Z' }, v2: { routes } }
        }
      }
    },
    () => at('2026-02-01T00:00:00Z')
  )
  const authorization = `Bearer ${await provider.token('ada')}`
  t.equal((await call(`${url}/v1/things`)).status, 401)
  t.equal((await call(`${url}/v1/things`, { headers: { authorization } })).status, 410)
  t.match(gateway.versionStatus(9)[0], {
    state: 'gone',
    calls: 1,
    consumers: [{ consumer: 'ada', calls: 1 }]
  })
})

t.test('every fault of versions is reported with its path', t => {
  const faultsOf = (scopes: object) => {
    try {
      resolveConfig({ default: { scopes } }, {})
      return []
    } catch (error) {
      return (error as ConfigError).faults.map(({ path }) => path).sort()
    }
  }
  const both = { routes, versions: { v1: { routes } } }
  const cases: [what: string, scope: object, faults: string[]][] = [
    ['neither routes nor versions', { prefix: '/a' }, ['/routes']],
    ['both', { prefix: '/a/{version}', ...both }, ['/routes']],
    ['a version in the path without versions', { prefix: '/{version}/a', routes }, ['/prefix']],
    ['sources without versions', { prefix: '/a', routes, version: { query: 'v' } }, ['/version']],
    ['versions without a source', { prefix: '/a', versions: { v1: { routes } } }, ['/version']],
    ['no versions', { prefix: '/{version}', versions: {} }, ['/versions']],
    ['a name', { prefix: '/{version}', versions: { 'V 1': { routes } } }, ['/versions/V 1']],
    [
      '{version} twice in a path',
      { prefix: '/{version}/{version}', versions: { v1: { routes } } },
      ['/prefix']
    ],
    [
      'only the version in a shared path',
      { prefix: '/{version}', versions: { v1: { routes } }, version: { default: 'v1' } },
      ['/prefix']
    ],
    [
      'invalid sources',
      {
        prefix: '/a',
        versions: { v1: { routes } },
        version: { header: 'Accept', mediaType: 'a b', query: '', default: 'v9', cookie: 'v' }
      },
      ['/version/cookie', '/version/default', '/version/header', '/version/mediaType', '/version/query']
    ],
    [
      'too many versions at one path',
      {
        prefix: '/a',
        versions: Object.fromEntries(Array.from({ length: 31 }, (_, i) => [`v${i}`, { routes }])),
        version: { query: 'v' }
      },
      ['/versions']
    ],
    [
      'dates',
      {
        prefix: '/{version}/a',
        versions: {
          v1: {
            routes,
            deprecated: '2026-02-01T00:00:00Z',
            sunset: '2026-01-31T23:59:59Z',
            successor: 'v1'
          },
          v2: {
            routes,
            deprecated: '2026-02-01',
            sunset: 'June',
            successor: 'v7',
            links: { sunset: 'javascript:1' }
          },
          v3: { routes, brownouts: [{ from: '2026-02-01T00:00:00Z', to: '2026-02-01T00:01:00Z' }] },
          v4: {
            routes,
            deprecated: '2026-02-01T00:00:00Z',
            sunset: '2026-03-01T00:00:00Z',
            brownouts: [
              { from: '2026-01-01T00:00:00Z', to: '2026-04-01T00:00:00Z' },
              { from: '2026-02-02T00:00:00Z', to: '2026-02-02T00:00:00Z' },
              { from: '2026-02-02T00:00:00Z', to: '2026-02-02T00:01:00Z', every: 60_000 }
            ]
          }
        }
      },
      [
        '/versions/v1/successor',
        '/versions/v1/sunset',
        '/versions/v2/deprecated',
        '/versions/v2/links/sunset',
        '/versions/v2/successor',
        '/versions/v2/sunset',
        '/versions/v3/brownouts/0',
        '/versions/v4/brownouts/0/from',
        '/versions/v4/brownouts/0/to',
        '/versions/v4/brownouts/1/to',
        '/versions/v4/brownouts/2/every'
      ]
    ]
  ]
  for (const [what, scope, faults] of cases)
    t.same(
      faultsOf({ a: scope }),
      faults.map(path => `/scopes/a${path}`),
      what
    )
  t.same(
    faultsOf({
      a: {
        prefix: '/{version}/a',
        versions: { v1: { routes, deprecated: '2026-02-01T00:00Z', sunset: '2026-02-01T01:00+01:00' } }
      }
    }),
    [],
    'the same instant in another zone'
  )
  t.end()
})
