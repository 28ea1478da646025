import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import t from 'tap'
import { products } from '../../../routes/products.ts'
import { a, type DnsServer, srv, startDns, type Zone } from '../../dns-server.ts'
import { call, type Ending, type RunningGateway, startGateway } from '../../harness.ts'
import { until } from '../../until.ts'

const read = (name: string) => readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), 'utf8')

async function listen(t: Ending, server: Server, host: string, port = 0): Promise<number> {
  server.listen(port, host)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    if ('closeAllConnections' in server) (server as import('node:http').Server).closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

interface Service {
  port: number
  host: string
  requests: number
  connections(): Promise<number>
}

/** Starts a service on its own loopback address, so that several addresses share a port. */
async function startAt(t: Ending, host: string, port = 0, listener?: RequestListener): Promise<Service> {
  const service: Service = {
    host,
    port,
    requests: 0,
    connections: () => new Promise(resolve => server.getConnections((_error, count) => resolve(count)))
  }
  const server = createServer((request, response) => {
    service.requests++
    if (listener) listener(request, response)
    else response.end(JSON.stringify({ at: host, host: request.headers.host }))
  })
  service.port = await listen(t, server, host, port)
  return service
}

function start(t: Ending, dns: DnsServer, options: object, upstream: object = {}): Promise<RunningGateway> {
  return startGateway(t, {
    upstreams: {
      products: { ...upstream, dns: { name: 'products.test', servers: [dns.address], ...options } as never }
    },
    scopes: { products: { prefix: '/products', routes: products } }
  })
}

const endpointsOf = ({ gateway }: RunningGateway) =>
  gateway.upstreams.flatMap(upstream => upstream.state().endpoints)
const resolved = (gateway: RunningGateway, count = 1) => until(() => endpointsOf(gateway).length === count)

t.test('a change of address is followed under load, without a failed request', async t => {
  const first = await startAt(t, '127.0.0.2')
  const second = await startAt(t, '127.0.0.3', first.port)
  const zone: Zone = { 'A products.test': a('products.test', '127.0.0.2') }
  const dns = await startDns(t, zone)
  const gateway = await start(t, dns, { port: first.port, refresh: 1_000 })
  await resolved(gateway)

  let isDone = false
  const statuses: Record<number, number> = {}
  const load = Array.from({ length: 8 }, async () => {
    while (!isDone) {
      const { status } = await call(`${gateway.url}/products`)
      statuses[status] = (statuses[status] ?? 0) + 1
    }
  })
  await until(() => first.requests > 20)
  zone['A products.test'] = a('products.test', '127.0.0.3')
  const asked = dns.questions.length
  await until(() => second.requests > 20)
  const atChange = first.requests
  await until(() => second.requests > 60)
  isDone = true
  await Promise.all(load)
  t.same(Object.keys(statuses), ['200'])
  t.ok(
    dns.questions.length - asked <= 8,
    `within the refresh time: ${dns.questions.length - asked} questions`
  )
  t.equal(first.requests, atChange, 'the removed address gets no more calls')
  await until(async () => (await first.connections()) === 0)
  t.match(endpointsOf(gateway), [{ url: `http://127.0.0.3:${first.port}`, state: 'healthy' }])
  t.match(gateway.gateway.upstreams[0]?.state().endpoints, { length: 1 })
  const text = (await gateway.gateway.metrics?.metrics()) ?? ''
  t.match(text, `sluice_endpoint_state{upstream="products",endpoint="http://127.0.0.3:${first.port}"} 0`)
  t.notMatch(text, '127.0.0.2', 'the series of a removed address are removed')
})

t.test('a call at an address that is removed completes', async t => {
  let finish = () => {}
  const first = await startAt(t, '127.0.0.2', 0, (_request, response) => {
    response.write('be')
    finish = () => response.end('gun')
  })
  await startAt(t, '127.0.0.3', first.port)
  const zone: Zone = { 'A products.test': a('products.test', '127.0.0.2') }
  const dns = await startDns(t, zone)
  const gateway = await start(t, dns, { port: first.port, refresh: 1_000 })
  await resolved(gateway)
  const answer = call(`${gateway.url}/products`)
  await until(() => first.requests === 1)
  zone['A products.test'] = a('products.test', '127.0.0.3')
  await until(() => endpointsOf(gateway)[0]?.url.includes('127.0.0.3'))
  t.equal(await first.connections(), 1)
  finish()
  t.equal((await answer).text, 'begun')
  await until(async () => (await first.connections()) === 0)
})

t.test('known addresses stay while DNS fails or returns nothing', async t => {
  const service = await startAt(t, '127.0.0.2')
  const zone: Zone = { 'A products.test': a('products.test', '127.0.0.2') }
  const dns = await startDns(t, zone)
  const gateway = await start(t, dns, { port: service.port, refresh: 1_000, family: 4 })
  await resolved(gateway)
  for (const failure of ['SERVFAIL', []] as const) {
    zone['A products.test'] = failure as never
    const asked = dns.questions.length
    // The second query follows after the first reply was handled.
    await until(() => dns.questions.length > asked + 1)
    t.equal((await call(`${gateway.url}/products`)).status, 200, `${failure}`)
    t.equal(endpointsOf(gateway).length, 1)
  }
})

t.test('a failure of one address family does not affect the other', async t => {
  const service = await startAt(t, '127.0.0.2')
  const zone: Zone = {
    'A products.test': a('products.test', '127.0.0.2'),
    'AAAA products.test': [{ type: 'AAAA', name: 'products.test', ttl: 0, data: '::1' }]
  }
  const dns = await startDns(t, zone)
  const gateway = await start(t, dns, { port: service.port, refresh: 1_000 })
  await resolved(gateway, 2)
  zone['AAAA products.test'] = 'SERVFAIL'
  zone['A products.test'] = a('products.test', '127.0.0.2', '127.0.0.3')
  await resolved(gateway, 3)
  t.match(
    endpointsOf(gateway)
      .map(({ url }) => url)
      .sort(),
    [`http://127.0.0.2:${service.port}`, `http://127.0.0.3:${service.port}`, `http://[::1]:${service.port}`]
  )
})

t.test('the gateway starts without DNS, answers 503, and works when DNS does', async t => {
  const service = await startAt(t, '127.0.0.2')
  const zone: Zone = {}
  const dns = await startDns(t, zone)
  const gateway = await start(t, dns, { port: service.port, refresh: 30_000 })
  const answer = await call(`${gateway.url}/products`)
  t.equal(answer.status, 503)
  t.equal(answer.json.type, 'urn:sluice:upstream-unavailable')
  t.match(answer.headers.get('retry-after'), /^\d+$/)
  t.notMatch(answer.text, /test|dns/i)
  zone['A products.test'] = a('products.test', '127.0.0.2')
  await until(async () => (await call(`${gateway.url}/products`)).status === 200)
})

t.test('Host is the configured name, for addresses and SRV', async t => {
  const service = await startAt(t, '127.0.0.2')
  const { port } = service
  const dns = await startDns(t, {
    'A products.test': a('products.test', '127.0.0.2'),
    'SRV _http._tcp.shop.test': srv('_http._tcp.shop.test', { target: 'products.test', port })
  })
  const byAddress = await start(t, dns, { port })
  await resolved(byAddress)
  t.equal((await call(`${byAddress.url}/products`)).text, `{"at":"127.0.0.2","host":"products.test:${port}"}`)
  const bySrv = await start(t, dns, { name: '_http._tcp.shop.test', type: 'SRV' })
  await resolved(bySrv)
  t.equal((await call(`${bySrv.url}/products`)).text, `{"at":"127.0.0.2","host":"shop.test:${port}"}`)
})

t.test('SRV: by weight within the lowest priority, or the next one if too few are healthy', async t => {
  let isUp = true
  const listener =
    (isBackup: boolean): RequestListener =>
    (request, response) => {
      response.writeHead(isUp || isBackup ? 200 : 500).end(request.url)
    }
  const hosts = ['127.0.0.2', '127.0.0.3', '127.0.0.4']
  const services = await Promise.all(hosts.map((host, i) => startAt(t, host, 0, listener(i === 2))))
  const name = '_http._tcp.shop.test'
  const targets = services.map(({ port }, i) => ({
    target: `s${i}.test`,
    port,
    weight: i === 0 ? 30 : 10,
    priority: i === 2 ? 20 : 10
  }))
  const none = [
    { target: '.', port: 80 },
    { target: 's0.test', port: 0 }
  ]
  const dns = await startDns(t, {
    ...Object.fromEntries(hosts.map((host, i) => [`A s${i}.test`, a(`s${i}.test`, host)])),
    [`SRV ${name}`]: srv(name, ...targets, ...none)
  })
  const gateway = await start(
    t,
    dns,
    { name, type: 'SRV' },
    { balance: { policy: 'weighted' }, health: { path: '/healthz', interval: 50, unhealthy: 1 } }
  )
  await resolved(gateway, 3)
  const calls = () => endpointsOf(gateway).map(({ calls }) => calls)
  for (let i = 0; i < 40; i++) await call(`${gateway.url}/products`)
  t.same(calls(), [30, 10, 0])
  isUp = false
  await until(() => endpointsOf(gateway).filter(({ state }) => state === 'unhealthy').length === 2)
  for (let i = 0; i < 10; i++) t.equal((await call(`${gateway.url}/products`)).status, 200)
  t.same(calls(), [30, 10, 10])
  isUp = true
  await until(() => endpointsOf(gateway).every(({ state }) => state === 'healthy'))
  for (let i = 0; i < 4; i++) await call(`${gateway.url}/products`)
  t.same(calls(), [33, 11, 10])
})

t.test('at most 256 endpoints are used', async t => {
  const addresses = Array.from({ length: 300 }, (_, i) => `127.0.${1 + (i >> 8)}.${i & 255}`)
  const service = await startAt(t, '127.0.1.0')
  // One UDP reply cannot have 300 addresses, but SRV targets can have 100 each.
  const zone: Zone = {}
  const targets = [0, 100, 200].map(from => {
    zone[`A t${from}.test`] = a(`t${from}.test`, ...addresses.slice(from, from + 100))
    return { target: `t${from}.test`, port: service.port }
  })
  zone['SRV products.test'] = srv('products.test', ...targets)
  const dns = await startDns(t, zone)
  const gateway = await start(t, dns, { type: 'SRV' })
  await resolved(gateway, 256)
  t.pass()
})

t.test('over https the certificate must have the configured name', async t => {
  const server = createTlsServer(
    { cert: read('localhost.pem'), key: read('localhost.key') },
    (request, response) => response.end(request.headers.host)
  )
  const port = await listen(t, server, '127.0.0.2')
  const dns = await startDns(t, {
    'A localhost': a('localhost', '127.0.0.2'),
    'A products.test': a('products.test', '127.0.0.2')
  })
  const tls = { ca: read('ca.pem') }
  const named = await start(t, dns, { name: 'localhost', port, protocol: 'https' }, { tls })
  await resolved(named)
  t.equal((await call(`${named.url}/products`)).text, `localhost:${port}`)
  const other = await start(t, dns, { port, protocol: 'https' }, { tls })
  await resolved(other)
  t.equal((await call(`${other.url}/products`)).status, 502)
  const told = await start(t, dns, { port, protocol: 'https' }, { tls: { ...tls, servername: 'localhost' } })
  await resolved(told)
  t.equal((await call(`${told.url}/products`)).text, `products.test:${port}`)
})

t.test('the connections of the endpoints from DNS limit concurrent calls', async t => {
  const waiting: import('node:http').ServerResponse[] = []
  const hang: RequestListener = (_request, response) => void waiting.push(response)
  const { port } = await startAt(t, '127.0.0.2', 0, hang)
  await startAt(t, '127.0.0.3', port, hang)
  const dns = await startDns(t, { 'A products.test': a('products.test', '127.0.0.2', '127.0.0.3') })
  const gateway = await start(t, dns, { port }, { connections: 1 })
  await resolved(gateway, 2)
  const answers = [1, 2, 3].map(() => call(`${gateway.url}/products`))
  const callsOf = () => gateway.gateway.upstreams[0]?.state().calls
  await until(() => (callsOf()?.running ?? 0) + (callsOf()?.queued ?? 0) === 3)
  t.match(callsOf(), { running: 2, queued: 1 })
  for (let i = 0; i < 3; i++) {
    await until(() => waiting.length > 0)
    waiting.shift()?.end('{}')
  }
  t.same(
    (await Promise.all(answers)).map(({ status }) => status),
    [200, 200, 200]
  )
})
