import t from 'tap'
import { describeConfig } from '../../config/describe-config.ts'
import { resolveConfig } from '../../config/resolve-config.ts'
import * as shop from '../../fastify.config.ts'
import { GatewayOptions } from '../../schemas/options/gateway.ts'
import type { Schema } from '../docs/page-tables.ts'

const SECRET = 'hunter2-hunter2-hunter2'
const pem = `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----\n`

t.test('secrets of every kind are masked, and what explains the gateway is shown', async t => {
  const config = {
    admin: { host: '127.0.0.1', port: 8081, hosts: ['admin.shop'], token: SECRET },
    listen: { tls: { cert: '/etc/tls/cert.pem', key: pem, passphrase: SECRET } },
    redis: { url: `rediss://user:${SECRET}@redis.shop:6379/2?password=${SECRET}#${SECRET}`, timeout: 50 },
    issuers: {
      shop: { issuer: 'https://id.shop', jwksUri: `https://u:${SECRET}@id.shop/jwks?key=${SECRET}` }
    },
    upstreams: {
      orders: {
        url: `https://${SECRET}@orders.shop/base`,
        health: { path: `/healthz?token=${SECRET}` },
        balance: { policy: 'p2c', sticky: { cookie: 'stick', key: SECRET } },
        fallback: { status: 200, headers: { 'x-key': SECRET }, body: { items: [SECRET], number: 5 } },
        tls: { ca: pem, cert: 'cert.pem\n', key: SECRET },
        endpoints: [{ url: 'unix:/run/orders.sock' }, { url: SECRET }]
      }
    },
    scopes: { orders: { prefix: '/orders', routes: async function orders() {}, versions: undefined } },
    unknown: { option: SECRET, nested: [{ deep: SECRET }], number: 1, symbol: Symbol(SECRET), big: 1n }
  }
  const shown = describeConfig(config)
  t.notMatch(JSON.stringify(shown), /hunter2/)
  t.match(shown, {
    admin: { host: '127.0.0.1', port: 8081, hosts: ['admin.shop'], token: '[redacted]' },
    listen: { tls: { cert: '/etc/tls/cert.pem', key: '[redacted]' } },
    redis: { url: 'rediss://[redacted]@redis.shop:6379/2?[redacted]', timeout: 50 },
    issuers: { shop: { issuer: 'https://id.shop/', jwksUri: 'https://[redacted]@id.shop/jwks?[redacted]' } },
    upstreams: {
      orders: {
        url: 'https://[redacted]@orders.shop/base',
        health: { path: '/healthz?[redacted]' },
        balance: { policy: 'p2c', sticky: { cookie: 'stick', key: '[redacted]' } },
        fallback: { status: 200, headers: { 'x-key': '[redacted]' }, body: '[redacted]' },
        endpoints: [{ url: 'unix:/run/orders.sock' }, { url: '[redacted]' }]
      }
    },
    scopes: { orders: { prefix: '/orders', routes: '[function orders]' } },
    unknown: { option: '[redacted]', number: 1 }
  })
})

t.test('a string option is shown only if it is listed', async t => {
  const masked = stringsOf(GatewayOptions as unknown as Schema, []).filter(
    path => !JSON.stringify(describeConfig(nest(path, '/x'))).includes('/x')
  )
  // New options are masked until they are known to be no secrets.
  t.same(
    [
      'admin.token',
      'listen.tls.passphrase',
      'upstreams.*.balance.sticky.key',
      'upstreams.*.fallback.headers.*'
    ].filter(path => !masked.some(one => one.join('.') === path)),
    []
  )
  for (const path of ['scopes.*.prefix', 'log.level', 'upstreams.*.url', 'tiers.*.onRedisDown'])
    t.notOk(
      masked.some(one => one.join('.') === path),
      path
    )
})

t.test("the shop's configuration is shown as JSON", async t => {
  const config = resolveConfig(shop, { REDIS_URL: `redis://:${SECRET}@127.0.0.1`, ADMIN_TOKEN: SECRET })
  const shown = JSON.stringify(describeConfig(config))
  t.notMatch(shown, SECRET)
  t.match(JSON.parse(shown), {
    scopes: {
      orders: { prefix: '/api/{version}/orders', versions: { v1: { routes: '[function ordersV1]' } } }
    }
  })
})

/** Returns the paths of a schema's strings, with `*` for names and indices. */
function stringsOf(schema: any, path: string[]): string[][] {
  if (schema === undefined) return []
  const choices = schema.anyOf ?? schema.allOf
  if (choices) return choices.flatMap((one: unknown) => stringsOf(one, path))
  if (schema.type === 'array') return stringsOf(schema.items, [...path, '*'])
  if (schema.type === 'object')
    return [
      ...Object.entries(schema.properties ?? {}).flatMap(([name, one]) => stringsOf(one, [...path, name])),
      ...Object.values(schema.patternProperties ?? {}).flatMap(one => stringsOf(one, [...path, '*']))
    ]
  return schema.type === 'string' || schema.enum ? [path] : []
}

function nest([first, ...rest]: string[], value: unknown): unknown {
  if (first === undefined) return value
  return { [first === '*' ? 'a' : first]: nest(rest, value) }
}
