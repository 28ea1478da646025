import t from 'tap'
import { resolveConfig } from '../../../config/resolve-config.ts'
import { buildGateway } from '../../../gateway.ts'
import type { ConfigError } from '../../../schemas/options/faults.ts'

const scope = { prefix: '/s', routes: async () => {} }

function faultsOf(definition: object): Record<string, string> {
  try {
    resolveConfig({ default: definition }, {})
    return {}
  } catch (error) {
    return Object.fromEntries((error as ConfigError).faults.map(({ path, message }) => [path, message]))
  }
}

t.test('a fault of a union names all variants', async t => {
  const claims = (roles: unknown) => ({
    issuers: { shop: { issuer: 'https://id.example', audience: 'a', claims: { roles } } }
  })
  t.same(faultsOf(claims(5)), { '/issuers/shop/claims/roles': 'must be string, or must be array' })
  t.match(faultsOf(claims('')), { '/issuers/shop/claims/roles': /fewer than 1 .*, or must be array$/ })
})

t.test("a fault of an upstream's URL says what to change", async t => {
  const fault = (url: string) => faultsOf({ upstreams: { a: { url } } })['/upstreams/a/url']
  t.equal(fault('http://127.0.0.1:4001?x=1'), 'must not have a query or a fragment')
  t.equal(fault('https://127.0.0.1:4001/a#b'), 'must not have a query or a fragment')
  t.equal(fault('http://127.0.0.1:99999'), 'must have a valid host and a port up to 65535')
  t.equal(fault('http://'), 'must have a valid host and a port up to 65535')
  t.match(fault('127.0.0.1:4001'), /^must be a URL that begins with http:/)
  t.match(fault(`unix:/${'x'.repeat(200)}`), /103 bytes at most/)
})

t.test('passHeaders says why a header cannot be listed', async t => {
  const faults = faultsOf({
    scopes: { s: { ...scope, passHeaders: ['X-User-Id', 'Accept', 'a b', 'Proxy'] } }
  })
  t.match(faults, {
    '/scopes/s/passHeaders/0': /dropped by default.*the gateway always removes or sets this one$/,
    '/scopes/s/passHeaders/1': /dropped by default.*this one passes anyway$/,
    '/scopes/s/passHeaders/2': /^must be a token, without spaces/
  })
  t.notOk(faults['/scopes/s/passHeaders/3'])
})

t.test('an unknown upstream in a route gets a suggestion and the scope', async t => {
  const config = resolveConfig(
    {
      default: {
        upstreams: { orders: { url: 'http://127.0.0.1:1' }, users: { url: 'http://127.0.0.1:1' } },
        scopes: {
          s: {
            prefix: '/s',
            routes: async (app: import('fastify').FastifyInstance) => {
              app.upstream('ordrs')
            }
          }
        }
      }
    },
    {}
  )
  await t.rejects(buildGateway(config), {
    message: "no upstream is named 'ordrs'; there are: orders, users; did you mean orders?",
    scope: 's'
  })
})
