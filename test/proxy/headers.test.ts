import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { get as httpGet } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { request } from 'undici'
import { hasDotSegment } from '../../http/path.ts'
import forward from '../../plugins/forward.ts'
import { remainderOf } from '../../proxy/forwarded-path.ts'
import { call, type Ending, startGateway, startService, startTcpService } from '../harness.ts'

/** Starts a gateway that forwards /echo to a service that returns the request that it received. */
async function start(t: Ending, options: { trustProxy?: string[] } = {}) {
  const service = await startService(t, (incoming, response) => {
    incoming.resume()
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ headers: incoming.headers, raw: incoming.rawHeaders, url: incoming.url }))
  })
  const { url } = await startGateway(t, {
    ...options,
    upstreams: { products: { url: service } },
    scopes: {
      echo: {
        prefix: '/echo',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: ['GET', 'POST'], url: '/*', upstream: 'products', prefix: '' })
        }
      }
    }
  })
  return url
}

/** Sends headers that fetch does not allow. */
async function received(
  url: string,
  headers: Record<string, string | string[]>
): Promise<IncomingHttpHeaders> {
  const { port } = new URL(url)
  const socket = connect(Number(port), '127.0.0.1')
  const lines = Object.entries({ host: 'gateway.example', connection: 'close', ...headers }).flatMap(
    ([name, value]) => [value].flat().map(one => `${name}: ${one}\r\n`)
  )
  socket.write(`GET /echo/x HTTP/1.1\r\n${lines.join('')}\r\n`)
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })
  await once(socket, 'close')
  const [head = '', body = ''] = text.split('\r\n\r\n')
  if (!head.startsWith('HTTP/1.1 200')) throw new Error(text)
  return JSON.parse(body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1)).headers
}

t.test('hop-by-hop headers and those that Connection names are removed (RFC 9110, 7.6.1)', async t => {
  const url = await start(t)
  const headers = await received(url, {
    connection: 'close, X-Private, keep-alive',
    'keep-alive': 'timeout=5',
    'proxy-authorization': 'Basic c2VjcmV0',
    'proxy-connection': 'keep-alive',
    te: 'trailers',
    trailer: 'x-checksum',
    'x-private': 'for the gateway only',
    'x-public': 'for the service'
  })
  for (const name of [
    'keep-alive',
    'proxy-authorization',
    'proxy-connection',
    'te',
    'trailer',
    'x-private',
    'upgrade'
  ])
    t.notOk(name in headers, name)
  t.equal(headers['x-public'], 'for the service')
})

t.test('Keep-Alive, Upgrade and Expect do not cause a 500 (reply-from note 4)', async t => {
  const url = await start(t)
  t.ok(await received(url, { 'keep-alive': 'timeout=5' }))
  t.ok(await received(url, { connection: 'upgrade, close', upgrade: 'h2c' }))
  t.ok(await received(url, { 'http2-settings': 'AAMAAABkAAQAAP__' }))
  const { statusCode } = await request(`${url}/echo/x`, {
    method: 'POST',
    body: 'x',
    expectContinue: true
  } as never).catch(() => ({ statusCode: 0 }))
  t.not(statusCode, 500)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write(
    'POST /echo/x HTTP/1.1\r\nhost: g\r\nexpect: 100-continue\r\ncontent-length: 1\r\nconnection: close\r\n\r\n'
  )
  const [first] = await once(socket, 'data')
  t.match(String(first), 'HTTP/1.1 100 Continue')
  socket.write('x')
  const [second] = await once(socket, 'data')
  t.match(String(second), 'HTTP/1.1 200')
  socket.destroy()
})

t.test('only the gateway sets its headers (reply-from note 5)', async t => {
  const url = await start(t)
  const headers = await received(url, {
    'x-forwarded-for': '6.6.6.6',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-port': '1',
    'x-forwarded-anything': 'x',
    forwarded: 'for=6.6.6.6',
    'x-real-ip': '6.6.6.6',
    'x-user-id': 'admin',
    'x-user-roles': 'admin',
    'X-User-Anything': 'x',
    x_user_id: 'admin',
    via: '1.0 before'
  })
  t.equal(headers['x-forwarded-for'], '127.0.0.1')
  t.equal(headers['x-forwarded-proto'], 'http')
  t.equal(headers['x-forwarded-host'], 'gateway.example')
  t.equal(headers.forwarded, 'for=127.0.0.1;host="gateway.example";proto=http')
  t.equal(headers.via, '1.0 before, 1.1 sluice')
  t.equal(headers['x-forwarded-port'], '80')
  for (const name of [
    'x-forwarded-anything',
    'x-real-ip',
    'x-user-id',
    'x-user-roles',
    'x-user-anything',
    'x_user_id'
  ])
    t.notOk(name in headers, name)
})

t.test('X-Forwarded headers of a trusted proxy count, up to the first untrusted address', async t => {
  const url = await start(t, { trustProxy: ['127.0.0.1', '10.0.0.0/8'] })
  const headers = await received(url, {
    'x-forwarded-for': '6.6.6.6, 203.0.113.7, 10.1.2.3',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'shop.example'
  })
  t.equal(headers['x-forwarded-for'], '203.0.113.7, 10.1.2.3, 127.0.0.1')
  t.equal(headers['x-forwarded-proto'], 'https')
  t.equal(headers['x-forwarded-host'], 'shop.example')
  t.equal(headers['x-forwarded-port'], '443')
  t.equal(headers.forwarded, 'for=203.0.113.7, for=10.1.2.3, for=127.0.0.1;host="shop.example";proto=https')
  const odd = await received(url, {
    'x-forwarded-host': 'evil";for=1.1.1.1',
    'x-forwarded-for': '2001:db8::1'
  })
  t.equal(
    odd['x-forwarded-host'],
    'gateway.example',
    'what is no host is not passed on as one (Fastify note 3)'
  )
  t.equal(
    odd.forwarded,
    'for="[2001:db8::1]", for=127.0.0.1;host="gateway.example";proto=https'.replace('https', 'http')
  )
})

t.test('invalid addresses, schemes and hosts of a trusted proxy are ignored', async t => {
  const url = await start(t, { trustProxy: ['127.0.0.1'] })
  const headers = await received(url, {
    'x-forwarded-for': 'unknown";proto=evil',
    'x-forwarded-proto': 'javascript";for=1.1.1.1',
    'x-forwarded-host': 'shop.example:8443'
  })
  t.equal(headers['x-forwarded-for'], '127.0.0.1')
  t.equal(headers['x-forwarded-proto'], 'http')
  t.equal(headers['x-forwarded-port'], '8443')
  t.equal(headers.forwarded, 'for=127.0.0.1;host="shop.example:8443";proto=http')
})

t.test('the scheme of a trusted proxy is case-insensitive (RFC 3986, 3.1)', async t => {
  const url = await start(t, { trustProxy: ['127.0.0.1'] })
  for (const [value, protocol, port] of [
    ['HTTPS', 'https', '443'],
    ['Https', 'https', '443'],
    ['http, HTTPS', 'https', '443'],
    ['HTTP', 'http', '80'],
    ['wss', 'http', '80']
  ] as const) {
    const headers = await received(url, { 'x-forwarded-proto': value, 'x-forwarded-host': 'shop.example' })
    t.equal(headers['x-forwarded-proto'], protocol, value)
    t.equal(headers['x-forwarded-port'], port, value)
    t.match(headers.forwarded, `proto=${protocol}`, value)
  }
  const headers = await received(url, { 'x-forwarded-host': 'shop.example:99999' })
  t.equal(headers['x-forwarded-host'], 'gateway.example', 'an impossible port')
})

t.test('X-Forwarded headers of others are ignored', async t => {
  const url = await start(t, { trustProxy: ['10.0.0.0/8'] })
  const headers = await received(url, {
    'x-forwarded-for': '10.0.0.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-port': '1'
  })
  t.equal(headers['x-forwarded-for'], '127.0.0.1')
  t.equal(headers['x-forwarded-proto'], 'http')
  t.equal(headers['x-forwarded-host'], 'gateway.example')
  t.equal(headers['x-forwarded-port'], '80')
  t.equal(headers.forwarded, 'for=127.0.0.1;host="gateway.example";proto=http')
})

t.test('a valid request id is kept, another one is replaced, and both are returned', async t => {
  const url = await start(t)
  t.equal((await received(url, { 'x-request-id': 'abc-123' }))['x-request-id'], 'abc-123')
  t.match((await received(url, { 'x-request-id': 'a b"c' }))['x-request-id'], /^[0-9a-f-]{18}-[0-9a-z]{8}$/)
  const answer = await call(`${url}/echo/x`, { headers: { 'x-request-id': 'mine' } })
  t.equal(answer.headers.get('x-request-id'), 'mine')
})

t.test(
  "the upstream's hop-by-hop headers do not reach the client, and neither does what it says of its name",
  async t => {
    const service = await startTcpService(t, socket =>
      socket.write(
        'HTTP/1.1 200 OK\r\nconnection: close, x-private\r\nx-private: 1\r\nkeep-alive: timeout=1\r\nproxy-authenticate: Basic\r\nupgrade: h2c\r\nx-latin: caf\xe9\r\ncontent-length: 2\r\n\r\nok',
        'latin1'
      )
    )
    const { url } = await startGateway(t, {
      upstreams: { products: { url: service } },
      scopes: {
        echo: {
          prefix: '/echo',
          routes: async app => {
            await app.register(forward)
            app.forward({ method: 'GET', url: '/*', upstream: 'products', prefix: '' })
          }
        }
      }
    })
    const answer = await call(`${url}/echo/x`)
    t.equal(answer.text, 'ok')
    for (const name of ['x-private', 'proxy-authenticate', 'upgrade']) t.notOk(answer.headers.has(name), name)
    t.not(answer.headers.get('keep-alive'), 'timeout=1')
    t.equal(answer.headers.get('x-latin'), 'caf\xe9', 'other bytes pass')
  }
)

t.test('a path that router and service could read differently is rejected', async t => {
  const url = await start(t)
  const { port } = new URL(url)
  for (const path of [
    '/echo/%2e%2e/admin',
    '/echo/..%2fadmin',
    '/echo/a/%2E/b',
    '/echo/..%5cadmin',
    '/echo/%252e%252e/x',
    '/%65cho/x',
    '/echo/..;/x'
  ]) {
    const { statusCode, json } = await get(Number(port), path)
    t.equal(statusCode, 400, path)
    t.match(json, { type: 'urn:sluice:unsafe-path', title: 'The path is ambiguous' })
  }
  for (const path of [
    '/echo/a.b',
    '/echo/...',
    '/echo/.well-known',
    '/echo/a%2Fb',
    '/echo/a;b=c',
    '/echo//a',
    '/echo/x?a=../b'
  ]) {
    const { statusCode, json } = await get(Number(port), path)
    t.equal(statusCode, 200, path)
    t.equal(json.url, path.slice('/echo'.length), 'byte for byte')
  }
  t.ok(hasDotSegment('/a/..'))
  t.notOk(hasDotSegment('/a/..b'))
  t.throws(() => remainderOf('/other/x', '/echo'), { code: 'SLUICE_UNSAFE_PATH' })
})

/** Uses node:http, which sends a path unchanged; fetch and undici normalize it. */
async function get(port: number, path: string): Promise<{ statusCode: number; json: { url: string } }> {
  const [response] = await once(httpGet({ port, path, host: '127.0.0.1' }), 'response')
  let text = ''
  for await (const chunk of response) text += chunk
  return { statusCode: response.statusCode, json: JSON.parse(text) }
}
