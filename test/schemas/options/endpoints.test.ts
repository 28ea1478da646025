import { readFileSync } from 'node:fs'
import t from 'tap'
import { resolveConfig } from '../../../config/resolve-config.ts'
import { ConfigError } from '../../../schemas/options/faults.ts'

const read = (name: string) => readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), 'utf8')

function faultsOf(upstream: unknown): Record<string, string> {
  try {
    resolveConfig({ default: { upstreams: { a: upstream } } }, {})
    return {}
  } catch (error) {
    const { faults } = error as ConfigError
    if (!(error instanceof ConfigError)) throw error
    return Object.fromEntries(
      faults.map(({ path, message }) => [path.replace(/^\/upstreams\/a/, ''), message])
    )
  }
}

const url = 'http://10.0.0.1'
const dns = { name: 'orders.internal', port: 80 }
const key = '0123456789abcdef'

t.test('valid endpoints get their defaults', async t => {
  const good: unknown[] = [
    { url },
    { url: 'unix:/run/app.sock' },
    { endpoints: [{ url }, { url: `${url}/base`, weight: 3 }, { url: 'unix:/run/app.sock' }] },
    { dns },
    { dns: { ...dns, servers: ['10.0.0.2', '10.0.0.2:5353', '[fd00::2]:53', 'fd00::2'] } },
    { dns: { name: '_http._tcp.orders.internal.', type: 'SRV' } },
    { url, tls: { ca: read('ca.pem') + read('client-ca.pem') } },
    { url, tls: { cert: read('client.pem'), key: read('client.key') } },
    { dns, balance: { policy: 'hash', hash: { header: 'x-tenant' }, sticky: { key } } }
  ]
  for (const upstream of good) t.same(faultsOf(upstream), {}, JSON.stringify(upstream).slice(0, 80))
  const { upstreams } = resolveConfig(
    { default: { upstreams: { a: { endpoints: [{ url }], health: { path: '/' } }, b: { dns } } } },
    {}
  )
  t.match(upstreams.a, {
    endpoints: [{ url, weight: 1 }],
    balance: { policy: 'p2c', panicThreshold: 0.5 },
    health: { interval: 5_000, timeout: 2_000, healthy: 1, unhealthy: 3 },
    ejection: {
      failures: 5,
      rate: { margin: 0.3, minimumCalls: 100, window: 10_000 },
      time: 30_000,
      maxTime: 300_000,
      maxRatio: 0.5
    }
  })
  t.match(upstreams.b?.dns, { type: 'A', protocol: 'http', path: '', refresh: 30_000 })
})

const wrong: [what: string, upstream: unknown, path: string, message: RegExp][] = [
  ['no endpoint', {}, '/url', /url, endpoints or dns/],
  ['two kinds of endpoints', { url, dns }, '/dns', /excludes url/],
  ['three kinds of endpoints', { url, endpoints: [{ url }], dns }, '/endpoints', /excludes url/],
  ['none in the list', { endpoints: [] }, '/endpoints', /./],
  ['one of them twice', { endpoints: [{ url }, { url }] }, '/endpoints/1/url', /same as/],
  ['no weight', { endpoints: [{ url, weight: 0 }] }, '/endpoints/0/weight', /1/],
  ['a query in the URL', { url: `${url}/?a` }, '/url', /query/],
  ['a relative socket', { url: 'unix:run/app.sock' }, '/url', /absolute/],
  ['a socket with a host', { url: 'unix://run/app.sock' }, '/url', /absolute/],
  ['a socket too long for the system', { url: `unix:/${'a'.repeat(103)}` }, '/url', /103/],
  ['addresses without a port', { dns: { name: 'a' } }, '/dns/port', /missing/],
  ['SRV with a port', { dns: { ...dns, type: 'SRV' } }, '/dns/port', /SRV records have ports/],
  ['an address as a name', { dns: { ...dns, name: '10.0.0.1' } }, '/dns/name', /host name/],
  ['an invalid name', { dns: { ...dns, name: 'a/b' } }, '/dns/name', /host name/],
  ['a refresh that floods', { dns: { ...dns, refresh: 10 } }, '/dns/refresh', /1000/],
  ['a DNS server by name', { dns: { ...dns, servers: ['ns.test'] } }, '/dns/servers/0', /address/],
  ['an unused hash', { dns, balance: { hash: { header: 'a' } } }, '/balance/hash', /has no effect/],
  [
    'a hash by two keys',
    { dns, balance: { policy: 'hash', hash: { header: 'a', cookie: 'b' } } },
    '/balance/hash',
    /1/
  ],
  ['sticky with nothing to choose', { url, balance: { sticky: { key } } }, '/balance/sticky', /one endpoint/],
  ['an invalid key', { dns, balance: { sticky: { key: 'x' } } }, '/balance/sticky/key', /16/],
  ['a check without a path', { url, health: {} }, '/health/path', /missing/],
  ['an invalid certificate authority', { url, tls: { ca: 'x' } }, '/tls/ca', /PEM/],
  ['half a certificate', { url, tls: { ca: read('ca.pem').replace('MII', 'xxx') } }, '/tls/ca', /PEM/],
  ['a certificate without its key', { url, tls: { cert: read('client.pem') } }, '/tls/key', /missing/],
  ['a key without its certificate', { url, tls: { key: read('client.key') } }, '/tls/cert', /missing/],
  ['an invalid private key', { url, tls: { cert: read('client.pem'), key: 'x' } }, '/tls/key', /private key/],
  [
    'the key of another certificate',
    { url, tls: { cert: read('client.pem'), key: read('localhost.key') } },
    '/tls/key',
    /not the key of cert/
  ]
]
for (const [what, upstream, path, message] of wrong)
  t.test(`${what} is a fault with its path`, async t => {
    const faults = faultsOf(upstream)
    t.match(faults[path], message, JSON.stringify(faults))
    t.notMatch(JSON.stringify(faults), /PRIVATE KEY-/)
  })
