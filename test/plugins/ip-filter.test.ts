import t from 'tap'
import { resolveConfig } from '../../config/resolve-config.ts'
import type { ConfigError } from '../../schemas/options/faults.ts'
import { call, startGateway } from '../harness.ts'

const routes = async (app: import('fastify').FastifyInstance) => {
  app.get('/', async () => 'reached')
}

t.test('a scope is reached from where it may be', async t => {
  const cases: [object, string, number][] = [
    [{ allow: ['10.0.0.0/8'] }, '10.1.2.3', 200],
    [{ allow: ['10.0.0.0/8'] }, '::ffff:10.1.2.3', 200],
    [{ allow: ['10.0.0.0/8'] }, '11.0.0.1', 403],
    [{ allow: ['10.0.0.0/8'] }, '2001:db8::1', 403],
    [{ deny: ['10.0.0.1'] }, '10.0.0.1', 403],
    [{ deny: ['10.0.0.1'] }, '::ffff:10.0.0.1', 403],
    [{ deny: ['10.0.0.1'] }, '10.0.0.2', 200],
    [{ allow: ['10.0.0.0/8'], deny: ['10.0.0.0/24'] }, '10.0.0.9', 403],
    [{ allow: ['2001:db8::/32'] }, '2001:db8:1::1', 200],
    [{ allow: ['2001:db8::/32'] }, '2001:db9::1', 403],
    [{}, '10.0.0.1', 200]
  ]
  for (const [addresses, from, status] of cases) {
    const { url } = await startGateway(t, {
      trustProxy: ['127.0.0.1'],
      scopes: {
        listed: { prefix: '/listed', routes, ipFilter: addresses },
        free: { prefix: '/free', routes }
      }
    })
    const headers = { 'x-forwarded-for': from }
    const answer = await call(`${url}/listed`, { headers })
    t.equal(answer.status, status, `${JSON.stringify(addresses)} from ${from}`)
    if (status === 403) t.equal(answer.json.type, 'urn:sluice:address-rejected')
    t.equal((await call(`${url}/free`, { headers })).status, 200)
  }
})

t.test('an address is rejected before its token is verified, and X-Forwarded-For does not count', async t => {
  const { url } = await startGateway(t, {
    issuers: { shop: { issuer: 'http://127.0.0.1:1', audience: 'a' } },
    scopes: { listed: { prefix: '/listed', routes, jwt: 'shop', ipFilter: { allow: ['10.0.0.0/8'] } } }
  })
  t.equal((await call(`${url}/listed`, { headers: { 'x-forwarded-for': '10.0.0.1' } })).status, 403)
})

t.test('invalid ranges are reported', t => {
  for (const bad of [
    '10.0.0.0/33',
    '10.0.0',
    'localhost',
    '::/129',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '10.0.0.0/'
  ]) {
    const scopes = { listed: { prefix: '/listed', routes, ipFilter: { deny: [bad] } } }
    try {
      resolveConfig({ default: { scopes } }, {})
      t.fail(`${bad} is taken`)
    } catch (error) {
      t.match((error as ConfigError).faults, [
        { path: '/scopes/listed/ipFilter/deny/0', message: /must be an address or a range/ }
      ])
    }
  }
  t.end()
})
