import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { call, startGateway } from '../harness.ts'

const named = (name: string) => async (app: FastifyInstance) => {
  app.get('/', async () => ({ name }))
}
const versions = { v1: { routes: named('v1') }, v2: { routes: named('v2') } }

t.test('a version is chosen by the weights of Accept (RFC 9110, 12.5.1)', async t => {
  const start = (fallback?: string) =>
    startGateway(t, {
      scopes: {
        things: {
          prefix: '/{version}/things',
          versions,
          version: {
            header: 'api-version',
            mediaType: 'version',
            ...(fallback !== undefined && { default: fallback })
          }
        }
      }
    })
  const { url } = await start('v2')
  const { url: old } = await start('v1')
  const { url: none } = await start()
  const UNKNOWN = 'urn:sluice:version-unknown'
  const CONFLICT = 'urn:sluice:version-conflict'
  const MISSING = 'urn:sluice:version-missing'

  const cases: [accept: string, expected: string, at?: string, path?: string, header?: string][] = [
    ['application/json;version=1', 'v1'],
    ['application/json;version=2, application/json;version=1;q=0.5', 'v2', old],
    ['application/json;version=1;q=0.5, application/json;version=2', 'v2', old],
    ['application/json;version=1, application/json;version=2;q=0.9', 'v1'],
    ['application/json;q=0.5;version=1, application/json;q=0.4;version=2', 'v1'],
    ['application/json;version=1;q=0.001, application/json;version=2;q=0', 'v1'],

    ['application/json;version=3, application/json;version=2;q=0.5', 'v2', old],
    ['application/json;version=3, application/json;version=1;q=0.1', 'v1'],
    ['application/json;version=3, */*;q=0.1', 'v2'],
    ['application/json;version=3, text/html', UNKNOWN],
    ['application/json;version=3', UNKNOWN],
    ['application/json;version=3;q=0', 'v2'],
    ['application/json;version=3;q=0, application/json;version=1', 'v1'],

    ['application/json;version=1;q=0, application/json', 'v2'],
    ['application/json;version=1;q=0, application/json', 'v2', old],
    ['application/json;version=2;q=0, application/json', 'v1'],
    ['application/json;version=1;q=0', 'v2', old],
    ['application/json;version=1;q=0, application/json;version=2;q=0', UNKNOWN],
    ['application/json;version=1;q=0, application/json;version=1;q=0.2', 'v1'],

    ['application/json;version=1;q=0.5, application/json', 'v2'],
    ['application/json;version=1;q=0.5, */*', 'v2'],
    ['application/json;version=1;q=0.5, application/*;q=0.6', 'v2'],
    ['application/json;version=1;q=0.5, */*;q=0.1', 'v1'],
    ['application/json;version=1;q=0.5, text/html', 'v1'],
    ['application/json;version=1, application/json', 'v1'],
    ['application/json;version=1;q=0.5, application/json', 'v1', none],
    ['application/json', MISSING, none],

    ['application/json;title="a;version=1"', 'v2'],
    ['application/json;title="a, b/c;version=1"', 'v2'],
    ['application/json;title="a\\";version=1"', 'v2'],
    ['application/json;title="a\\\\";version=1', 'v1'],
    ['application/json;title="never closed;version=1', 'v2'],
    ['application/json;version="1"', 'v1'],
    ['application/json;version="v\\1"', 'v1'],
    ['application/json ; VERSION=1 ; Q=0.3', 'v1'],
    ['application/json;xversion=1', 'v2'],
    ['application/json;version', 'v2'],
    [', ,application/json;version=1,', 'v1'],

    ['application/json;version=1;q=abc, application/json;version=2;q=0.5', 'v1'],
    ['application/json;version=1;q=7, application/json;version=2;q=0.5', 'v1'],
    ['application/json;version=1;q=-1, application/json;version=2;q=0.5', 'v2', old],
    ['application/json;version=1;q=, application/json;version=2;q=0.5', 'v1'],
    ['application/json;version=1;q=0.000', 'v2', old],
    ['application/json;version=1;q="0.1", application/json;version=2;q=0.2', 'v2', old],

    ['application/json;version=1, application/json;version=2', CONFLICT],
    ['application/json;version=1;version=2', CONFLICT],

    ['application/json;version=2, application/json;version=1;q=0.5', 'v1', url, '/v1/things'],
    ['application/json;version=2, */*;q=0.1', 'v1', url, '/v1/things'],
    ['application/json;version=2', CONFLICT, url, '/v1/things'],
    ['application/json;version=1;q=0', CONFLICT, url, '/v1/things'],
    ['application/json;version=2;q=0', 'v1', url, '/v1/things'],
    ['application/json;version=9', UNKNOWN, url, '/v1/things'],
    ['application/json;version=2, application/json;version=1;q=0.5', 'v1', url, '/things', '1'],
    ['application/json;version=2', CONFLICT, url, '/things', '1']
  ]
  for (const [accept, expected, at = url, path = '/things', header] of cases) {
    const headers = { accept, ...(header !== undefined && { 'api-version': header }) }
    const { json } = await call(at + path, { headers })
    const fallback = at === url ? 'v2' : at === old ? 'v1' : 'none'
    t.equal(json.name ?? json.type, expected, `${accept}, default ${fallback}, ${path} ${header ?? ''}`)
  }
})

t.test('a long Accept is read in the time that its length takes', async t => {
  const { url } = await startGateway(t, {
    scopes: { things: { prefix: '/things', versions, version: { mediaType: 'version', default: 'v2' } } }
  })
  for (const accept of [
    'a/b;version="1,'.repeat(900),
    'a/b;'.repeat(3_500),
    '";'.repeat(6_000),
    'a/b;version=1,'.repeat(1_000)
  ])
    t.match((await call(`${url}/things`, { headers: { accept } })).status, /200|400/)
})
