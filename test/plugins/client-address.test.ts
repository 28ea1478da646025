import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { toAddress } from '../../http/client-address.ts'
import forward from '../../plugins/forward.ts'
import addresses from '../../plugins/ip-filter.ts'
import problem from '../../plugins/problem.ts'
import { type Answer, call, startGateway, startService } from '../harness.ts'
import { exchange, startSession, tls } from '../http2.ts'

/** Client addresses as trusted proxies write them. */

const routes = async (app: FastifyInstance) => {
  app.get('/', async ({ ip }) => ip)
}

t.test('an address has one form', t => {
  for (const [text, address] of [
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:40001', '203.0.113.7'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:40001', '2001:db8::1'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:80', 'fe80::1'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['[::ffff:203.0.113.7]:80', '203.0.113.7'],
    ...[
      'unknown',
      '_hidden',
      '_hidden:80',
      '',
      ' ',
      'localhost',
      '203.0.113.7:',
      '203.0.113.7:http',
      '203.0.113.7:123456',
      '203.0.113.7:80:80',
      '203.0.113',
      '0313.0.0161.7',
      '0x7f.1',
      '2130706433',
      '[203.0.113.7]:80',
      '[2001:db8::1',
      '[]:80',
      '[unknown]',
      'fe80::1%',
      '203.0.113.7, 203.0.113.8',
      '203.0.113.7\t',
      '203.0.113.7/32',
      '__proto__'
    ].map(text => [text, undefined] as const)
  ] as const)
    t.equal(toAddress(text), address, JSON.stringify(text))
  t.end()
})

t.test('a limit counts an address whatever port a proxy appends', async t => {
  const { url } = await startLimited(t)
  for (const list of [
    ['203.0.113.1', '203.0.113.1'],
    ['203.0.113.2:40001', '203.0.113.2:40002'],
    ['203.0.113.3', '203.0.113.3:40003'],
    ['[2001:db8:0:1::1]:40001', '[2001:db8:0:1::1]:40002'],
    ['[2001:db8:0:2::1]:40001', '2001:db8:0:2::2'],
    ['::ffff:203.0.113.4', '[::ffff:203.0.113.4]:1'],
    ['fe80:0:0:1::1%eth0', 'fe80:0:0:1::1%eth1'],
    ['6.6.6.6, 203.0.113.5:1', '7.7.7.7, 203.0.113.5:2'],
    ['203.0.113.6:1, 10.0.0.1:2', '203.0.113.6:3, 10.0.0.2:4'],
    ['203.0.113.8, ,', ', 203.0.113.8:1,, ']
  ])
    t.strictSame(await statuses(url, list), [200, 429], list.join(' | '))
})

t.test('clients without an address are counted as one, and never as the proxy', async t => {
  const { url } = await startLimited(t)
  t.strictSame(
    await statuses(url, [
      'unknown',
      '_hidden',
      'made-up-1',
      '203.0.113.9:http',
      '6.6.6.6, nobody',
      '127.0.0.1'
    ]),
    [200, 429, 429, 429, 429, 200]
  )
})

t.test('addresses are allowed and denied whatever port follows them; anything else is rejected', async t => {
  const { url } = await startGateway(t, {
    trustProxy: ['127.0.0.1', '10.0.0.0/8'],
    scopes: {
      denied: {
        prefix: '/denied',
        routes,
        ipFilter: { deny: ['198.51.100.7', '2001:db8::/32', 'fe80::/10'] }
      },
      allowed: {
        prefix: '/allowed',
        routes,
        ipFilter: { allow: ['198.51.100.7', '2001:db8::/32', '127.0.0.1'] }
      }
    }
  })
  for (const [list, denied, allowed] of [
    ['198.51.100.7', 403, 200],
    ['198.51.100.7:40001', 403, 200],
    ['[2001:db8::1]:40001', 403, 200],
    ['::ffff:198.51.100.7', 403, 200],
    ['[::ffff:198.51.100.7]:1', 403, 200],
    ['fe80::1%eth0', 403, 403],
    ['198.51.100.7:1, 10.0.0.1:2', 403, 200],
    ['198.51.100.7, ,', 403, 200],
    ['203.0.113.7:40001', 200, 403],
    ['unknown', 403, 403],
    ['_hidden', 403, 403],
    ['198.51.100.7:http', 403, 403],
    ['0306.51.100.7', 403, 403],
    ['127.0.0.1, unknown', 403, 403],
    ['198.51.100.7, 2130706433', 403, 403]
  ] as const) {
    t.equal((await from(`${url}/denied`, list)).status, denied, `deny: ${list}`)
    t.equal((await from(`${url}/allowed`, list)).status, allowed, `allow: ${list}`)
  }
})

t.test('a deny list alone rejects clients without an address', async t => {
  const app = Fastify({ trustProxy: ['127.0.0.1'] })
  t.teardown(() => app.close())
  await app.register(problem)
  await app.register(addresses, { allow: [], deny: ['198.51.100.7'] })
  await app.register(routes)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  for (const [list, status] of [
    ['198.51.100.7:40001', 403],
    ['unknown', 403],
    ['203.0.113.7:40001', 200]
  ] as const)
    t.equal((await from(url, list)).status, status, list)
})

t.test('handlers and services get the address without its port', async t => {
  const service = await startService(t, ({ headers }, response) => response.end(JSON.stringify(headers)))
  const definition = (): Parameters<typeof startGateway>[1] => ({
    trustProxy: ['127.0.0.1', '::ffff:127.0.0.1', '10.0.0.0/8'],
    upstreams: { products: { url: service } },
    scopes: {
      ip: { prefix: '/ip', routes },
      forwarded: {
        prefix: '/forwarded',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/*', upstream: 'products', prefix: '' })
        }
      }
    }
  })
  const { url } = await startGateway(t, definition())
  const session = await startSession(
    t,
    (await startGateway(t, { ...definition(), listen: { tls, http2: true } })).url
  )
  const ask = {
    'HTTP/1.1': async (path: string, list: string) => (await from(url + path, list)).text,
    'HTTP/2': async (path: string, list: string) =>
      String((await exchange(session, { ':path': path, 'x-forwarded-for': list })).body)
  }
  for (const [version, get] of Object.entries(ask)) {
    for (const [list, ip, chain, forwarded] of [
      ['203.0.113.7:40001', '203.0.113.7', '203.0.113.7, 127.0.0.1', 'for=203.0.113.7, for=127.0.0.1'],
      ['[2001:DB8::1]:443', '2001:db8::1', '2001:db8::1, 127.0.0.1', 'for="[2001:db8::1]", for=127.0.0.1'],
      ['203.0.113.7:1, 10.0.0.9:2', '203.0.113.7', '203.0.113.7, 10.0.0.9, 127.0.0.1', 'for=203.0.113.7'],
      ['unknown";proto=evil', 'unknown', '127.0.0.1', 'for=127.0.0.1'],
      [', ,', '127.0.0.1', '127.0.0.1', 'for=127.0.0.1']
    ] as const) {
      t.equal(await get('/ip', list), ip, `${version}: ${list}`)
      const headers = JSON.parse(await get('/forwarded/x', list))
      t.equal(headers['x-forwarded-for'], chain, `${version}: ${list}`)
      t.match(headers.forwarded, forwarded, `${version}: ${list}`)
    }
  }
})

t.test('a hash by address ignores the port', async t => {
  const names = await Promise.all(
    ['one', 'two', 'three'].map(name => startService(t, (_request, response) => response.end(name)))
  )
  const { url } = await startGateway(t, {
    trustProxy: ['127.0.0.1'],
    upstreams: { products: { endpoints: names.map(url => ({ url })), balance: { policy: 'hash' } } },
    scopes: {
      forwarded: {
        prefix: '/forwarded',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/*', upstream: 'products', prefix: '' })
        }
      }
    }
  })
  for (const address of ['203.0.113.7', '203.0.113.8', '[2001:db8::1]']) {
    const served = new Set<string>()
    for (let port = 40_000; port < 40_012; port++)
      served.add((await from(`${url}/forwarded/x`, `${address}:${port}`)).text)
    t.equal(served.size, 1, address)
  }
})

t.test('consumers of a version are listed without ports', async t => {
  const { url, gateway } = await startGateway(t, {
    trustProxy: ['127.0.0.1'],
    scopes: { things: { prefix: '/{version}/things', versions: { v1: { routes } } } }
  })
  for (const list of ['203.0.113.7:1', '203.0.113.7:2', 'made-up-1', 'made-up-2'])
    await from(`${url}/v1/things`, list)
  t.match(gateway.versionStatus(10)[0]?.consumers, [
    { consumer: '203.0.113.7', calls: 2 },
    { consumer: 'unknown', calls: 2 }
  ])
})

t.test('an IPv4 client of an IPv6 listener has its IPv4 address, and a zone is dropped', async t => {
  const service = await startService(t, ({ headers }, response) => response.end(headers['x-forwarded-for']))
  const { gateway } = await startGateway(t, {
    upstreams: { products: { url: service } },
    scopes: {
      forwarded: {
        prefix: '/forwarded',
        ipFilter: { deny: ['fe80::2'] },
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/*', upstream: 'products', prefix: '' })
        }
      }
    }
  })
  let peer = ''
  const front = createServer(socket => {
    Object.defineProperty(socket, 'remoteAddress', { value: peer })
    gateway.server.emit('connection', socket)
  })
  t.teardown(() => front.close())
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  const { port } = front.address() as AddressInfo
  const ask = (from: string) =>
    new Promise<string>(resolve => {
      peer = from
      let text = ''
      connect(port, '127.0.0.1')
        .on('data', chunk => (text += chunk))
        .on('close', () => resolve(text))
        .write('GET /forwarded/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    })
  t.match(await ask('::ffff:203.0.113.7'), /200 OK[\s\S]*\r\n\r\n(b\r\n)?203\.0\.113\.7/)
  t.match(await ask('fe80::1%eth0'), /200 OK[\s\S]*\r\n\r\n(7\r\n)?fe80::1\b/)
  t.match(await ask('fe80::2%eth0'), /403 Forbidden/)
})

/** One request a minute for each address, behind a proxy that is believed. */
async function startLimited(t: Test) {
  const { url } = await startGateway(t, {
    trustProxy: ['127.0.0.1', '10.0.0.0/8'],
    tiers: { free: { limits: [{ limit: 1, window: 60_000 }] } },
    scopes: { things: { prefix: '/a', routes, rateLimit: { address: 'free' } } }
  })
  return { url: `${url}/a` }
}

function from(url: string, list: string): Promise<Answer> {
  return call(url, { headers: { 'x-forwarded-for': list } })
}

async function statuses(url: string, lists: readonly string[]): Promise<number[]> {
  const statuses: number[] = []
  for (const list of lists) statuses.push((await from(url, list)).status)
  return statuses
}
