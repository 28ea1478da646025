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
      // @ts-expect-error no such issuer
      a: { prefix, routes, jwt: 'shpo' },
      // @ts-expect-error no such tier
      b: { prefix, routes, rateLimit: { address: 'fre' } },
      // @ts-expect-error a consumer limit needs jwt
      c: { prefix, routes, rateLimit: { consumer: 'free' } },
      // @ts-expect-error unknown option
      d: { prefix, routes, jwtt: 'shop' },
      versioned: { prefix: '/{version}/a', versions: { v1: { routes, deprecated: '2026-11-01T00:00:00Z' } } },
      // @ts-expect-error routes and versions
      e: { prefix: '/{version}/a', routes, versions: { v1: { routes } } },
      // @ts-expect-error sources without versions
      f: { prefix, routes, version: { query: 'v' } },
      // @ts-expect-error a version without routes
      g: { prefix: '/{version}/a', versions: { v1: { sunset: '2026-11-01T00:00:00Z' } } }
    }
  })
  t.pass('checked by tsc')
})

t.test('the compiler rejects undefined upstreams in mirror and split', async t => {
  const url = 'http://a'
  defineGateway({ upstreams: { a: { url, mirror: { to: 'b' }, split: { to: { b: 5 } } }, b: { url } } })
  defineGateway({
    upstreams: {
      // @ts-expect-error no such upstream
      a: { url, mirror: { to: 'c' } },
      // @ts-expect-error no such upstream
      b: { url, split: { to: { c: 5 } } }
    }
  })
  t.pass('checked by tsc')
})
