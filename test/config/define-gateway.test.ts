import t from 'tap'
import { defineGateway } from '../../config/define-gateway.ts'

const routes = async () => {}

t.test('the compiler rejects undefined names, and a consumer limit without jwt', async t => {
  const issuers = { shop: { issuer: 'https://i', audience: 'a' } }
  const tiers = { free: { limits: [{ limit: 1, window: 1000 }] } }
  const prefix = '/a'
  defineGateway({
    issuers,
    tiers,
    scopes: {
      good: { prefix, routes, jwt: 'shop', rateLimit: { consumer: 'free', address: 'free' } },
      versioned: { prefix: '/{version}/a', versions: { v1: { routes, deprecated: '2026-11-01T00:00:00Z' } } }
    }
  })
  // Each fault in a config of its own: others would hide it.
  // @ts-expect-error no such issuer
  defineGateway({ issuers, scopes: { a: { prefix, routes, jwt: 'shpo' } } })
  // @ts-expect-error no issuers
  defineGateway({ scopes: { a: { prefix, routes, jwt: 'shop' } } })
  // @ts-expect-error no such tier
  defineGateway({ tiers, scopes: { a: { prefix, routes, rateLimit: { address: 'fre' } } } })
  // @ts-expect-error a consumer limit needs jwt
  defineGateway({ tiers, scopes: { a: { prefix, routes, rateLimit: { consumer: 'free' } } } })
  // @ts-expect-error unknown option
  defineGateway({ issuers, scopes: { a: { prefix, routes, jwtt: 'shop' } } })
  // @ts-expect-error unknown option within another
  defineGateway({ scopes: { a: { prefix, routes, cors: { origins: ['*'], maxAg: 1 } } } })
  // @ts-expect-error routes and versions
  defineGateway({ scopes: { a: { prefix, routes, versions: { v1: { routes } } } } })
  // @ts-expect-error sources without versions
  defineGateway({ scopes: { a: { prefix, routes, version: { query: 'v' } } } })
  // @ts-expect-error a version without routes
  defineGateway({ scopes: { a: { prefix, versions: { v1: { sunset: '2026-11-01T00:00:00Z' } } } } })
  t.pass('checked by tsc')
})

t.test('the compiler rejects undefined upstreams in mirror and split', async t => {
  const url = 'http://a'
  defineGateway({ upstreams: { a: { url, mirror: { to: 'b' }, split: { to: { b: 5 } } }, b: { url } } })
  // @ts-expect-error no such upstream
  defineGateway({ upstreams: { a: { url, mirror: { to: 'c' } } } })
  // @ts-expect-error no such upstream
  defineGateway({ upstreams: { a: { url, split: { to: { c: 5 } } } } })
  t.pass('checked by tsc')
})
