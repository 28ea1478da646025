import t from 'tap'
import { resolveConfig } from '../../../config/resolve-config.ts'
import * as shop from '../../../fastify.config.ts'
import { ConfigError } from '../../../schemas/options/faults.ts'

/** Values of `redis.url`. Faults never contain the password. */

const PASSWORD = 'pass-word-123'

const GOOD = [
  'redis://127.0.0.1',
  'redis://127.0.0.1/',
  'redis://127.0.0.1:6379/0',
  'rediss://cache.example:6380/15',
  'redis://[::1]:6379',
  `redis://:${PASSWORD}@cache`,
  `redis://ada:${PASSWORD}%40%2F%25@cache/1`,
  'REDIS://cache',
  'redis://cache?family=6'
]

const FAULTS: [string, RegExp][] = [
  [`redis://:${PASSWORD}@cache/shop`, /database by its number/],
  [`redis://:${PASSWORD}@cache/0/1`, /database by its number/],
  [`redis://:${PASSWORD}@cache/-1`, /database by its number/],
  [`redis://:${PASSWORD}@cache/1.5`, /database by its number/],
  [`redis://:${PASSWORD}@cache/%30`, /database by its number/],
  [`redis://:${PASSWORD}@cache?db=shop`, /query/],
  [`redis://:${PASSWORD}@cache?enableOfflineQueue=true`, /query/],
  [`redis://cache?family=${PASSWORD}`, /query/],
  [`redis://:${PASSWORD}@cache#0`, /query or a fragment/],
  [`redis://:${PASSWORD}%@cache`, /percent-encoded/],
  [`redis://%zz:${PASSWORD}@cache`, /percent-encoded/],
  [`redis:${PASSWORD}`, /begins with redis:/],
  [`redis:///${PASSWORD}`, /name a host/],
  [`redis://:${PASSWORD}@cache:port`, /begins with redis:/],
  [`redis://:${PASSWORD}@cache:99999`, /begins with redis:/],
  [`cache:6379/${PASSWORD}`, /begins with redis:/],
  [`/run/${PASSWORD}.sock`, /begins with redis:/],
  [`http://:${PASSWORD}@cache`, /begins with redis:/],
  ['6379', /begins with redis:/]
]

t.test('a valid Redis URL is accepted', t => {
  for (const url of GOOD) t.strictSame(faultsOf(url), { config: [], environment: [] }, url)
  t.end()
})

t.test('an invalid Redis URL is a fault that does not repeat it', t => {
  for (const [url, expected] of FAULTS) {
    const { config, environment } = faultsOf(url)
    t.match(config, [{ path: '/redis/url', message: expected }], url)
    t.match(environment, [{ path: 'REDIS_URL', message: expected }], url)
    t.notMatch(JSON.stringify([config, environment]), PASSWORD)
  }
  t.end()
})

t.test('a URL of an issuer or its keys with a password is a fault', t => {
  for (const [member, path] of [
    ['issuer', '/issuers/shop/issuer'],
    ['jwksUri', '/issuers/shop/jwksUri']
  ] as const) {
    const shop = {
      issuer: 'https://id.example',
      audience: 'a',
      [member]: `https://ada:${PASSWORD}@id.example`
    }
    const faults = attempt(() => resolveConfig({ default: { issuers: { shop } } }, {}))
    t.match(faults, [{ path, message: 'must not have a user or a password' }])
    t.notMatch(JSON.stringify(faults), PASSWORD)
  }
  t.end()
})

function faultsOf(url: string) {
  return {
    config: attempt(() => resolveConfig({ default: { redis: { url } } }, {})),
    environment: attempt(() => resolveConfig(shop, { REDIS_URL: url }))
  }
}

function attempt(resolve: () => unknown): ConfigError['faults'] {
  try {
    resolve()
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}
