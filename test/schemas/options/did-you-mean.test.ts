import t from 'tap'
import { resolveConfig } from '../../../config/resolve-config.ts'
import { didYouMean } from '../../../schemas/options/did-you-mean.ts'
import type { ConfigError } from '../../../schemas/options/faults.ts'

function faultsOf(definition: object): Record<string, string> {
  try {
    resolveConfig({ default: definition }, {})
    return {}
  } catch (error) {
    return Object.fromEntries((error as ConfigError).faults.map(({ path, message }) => [path, message]))
  }
}

t.test('an unknown option gets a suggestion, at any depth', async t => {
  t.match(
    faultsOf({
      lisen: {},
      listen: { http2: { stream: 1 } },
      upstreams: { a: { url: 'http://a', timout: 1, balance: { polcy: 'x' } } },
      tiers: { free: { limits: [{ limit: 1, window: 1_000, algoritm: 'x' }] } },
      scopes: { s: { prefix: '/s', routes: async () => {}, rateLimits: {}, somethingElse: 1 } }
    }),
    {
      '/lisen': 'is not known; did you mean listen?',
      '/listen/http2/stream': 'is not known; did you mean streams?',
      '/upstreams/a/timout': 'is not known; did you mean timeout?',
      '/upstreams/a/balance/polcy': 'is not known; did you mean policy?',
      '/tiers/free/limits/0/algoritm': 'is not known; did you mean algorithm?',
      '/scopes/s/rateLimits': 'is not known; did you mean rateLimit?',
      '/scopes/s/somethingElse': /^is not known$/
    }
  )
})

t.test('unknown values and undefined names get a suggestion', async t => {
  t.match(
    faultsOf({
      log: { level: 'wran' },
      upstreams: {
        orders: { url: 'http://a' },
        b: { url: 'http://b', balance: { policy: 'roundrobin' }, mirror: { to: 'order' } }
      },
      tiers: {
        free: { limits: [{ limit: 1, window: 1_000 }] },
        paid: { limits: [{ limit: 1, window: 1_000 }] }
      },
      scopes: { s: { prefix: '/s', routes: async () => {}, rateLimit: { address: 'fere' } } }
    }),
    {
      '/log/level': /^must be one of fatal, .*; did you mean warn\?$/,
      '/upstreams/b/balance/policy': /; did you mean round-robin\?$/,
      '/upstreams/b/mirror/to': "no upstream is named 'order'; there are: orders, b; did you mean orders?",
      '/scopes/s/rateLimit/address': "no tier is named 'fere'; there are: free, paid; did you mean free?"
    }
  )
})

t.test('a name that is not similar to a known one gets no suggestion', async t => {
  for (const name of ['', 'xyz', 'x'.repeat(100_000), 7, undefined, null])
    t.equal(didYouMean(name, ['host', 'port']), '')
})
