import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import Type from 'typebox'
import { resolveConfig } from '../../config/resolve-config.ts'
import compose from '../../plugins/compose.ts'
import forward from '../../plugins/forward.ts'
import transform from '../../plugins/transform.ts'
import { type Ending, startGateway } from '../harness.ts'
import { exchange, startSession, tls } from '../http2.ts'
import { until } from '../until.ts'

const FORGED = 'forged'

/** Names that a CGI-like service reads as a header of the gateway. */
const IDENTITY = [
  'X-User-Id',
  'x_user_id',
  'x.user.id',
  'x+user+id',
  'x!user!id',
  "x'user'id",
  'x~user~id',
  'x|user|id',
  'x-user.id',
  'X.User-Roles',
  'x_forwarded_for',
  'x.forwarded.prefix',
  'x+real+ip',
  'x.request.id',
  'forwarded.',
  'content.length',
  'content_type',
  'if.match',
  'x.tenant'
]

/** Headers by which clients change the behaviour of a service. */
const MISLEADING = [
  'Proxy',
  'X-Original-URL',
  'X-Rewrite-URL',
  'X-Original-Host',
  'X-Host',
  'X-HTTP-Method-Override',
  'X-HTTP-Method',
  'X-Method-Override',
  'X-Forwarded',
  'X-Forwarded-Prefix',
  'X-Forwarded-Path',
  'X-Forwarded-Scheme',
  'X-Client-IP',
  'True-Client-IP',
  'X-Scheme',
  'X-Script-Name',
  'X-Accel-Mapping',
  'X-Sendfile-Type',
  'X-Middleware-Subrequest',
  'X-Envoy-Original-Path',
  'Client-Cert',
  'Remote-User',
  'X-Auth-Request-Email',
  'X-Override-URL',
  'X-Path-Info',
  'X-Auth-User',
  'X-JWT-Assertion',
  'X-Goog-IAP-JWT-Assertion',
  'X-Azure-SocketIP',
  'Grpc-Metadata-X-User-Id'
]

const Any = Type.Object({})

async function routes(app: FastifyInstance) {
  const upstream = 'shop'
  await app.register(forward)
  await app.register(transform)
  await app.register(compose)
  app.forward({ method: ['GET', 'POST'], url: '/forward', upstream, prefix: '' })
  app.transform({
    method: 'GET',
    url: '/transform',
    upstream,
    upstreamResponse: Any,
    response: Any,
    toUpstream: () => ({ method: 'GET', path: '/transform' }),
    toClient: () => ({})
  })
  app.compose({
    url: '/compose',
    response: Any,
    parts: { one: { upstream, required: true, upstreamResponse: Any, path: () => '/compose' } },
    toClient: () => ({})
  })
  app.websocket({ url: '/websocket', upstream, prefix: '' })
}

/** Starts a service that records headers. It responds `{}`, and 403 to handshakes. */
async function startShop(t: Ending) {
  const received: { url: string; headers: IncomingHttpHeaders; trailers: NodeJS.Dict<string> }[] = []
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      received.push({ url: request.url as string, headers: request.headers, trailers: request.trailers })
      response.setHeader('content-type', 'application/json').end('{}')
    })
  })
  server.on('upgrade', (request, socket) => {
    received.push({ url: request.url as string, headers: request.headers, trailers: {} })
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close().closeAllConnections())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received }
}

async function send(url: string, message: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })
  socket.write(message)
  await once(socket, 'close')
  return text
}

const HANDSHAKE =
  'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
const fields = [...IDENTITY, ...MISLEADING].map(name => `${name}: ${FORGED}\r\n`).join('')

function forgedOf(headers: object): string[] {
  return Object.entries(headers).flatMap(([name, value]) => (String(value).includes(FORGED) ? [name] : []))
}

t.test('no route passes headers of the gateway, or headers that change a service’s behaviour', async t => {
  const shop = await startShop(t)
  const copies = await startShop(t)
  const { url } = await startGateway(t, {
    upstreams: { shop: { url: shop.url, mirror: { to: 'copies', ratio: 1 } }, copies: { url: copies.url } },
    scopes: { api: { prefix: '/api', routes } }
  })
  for (const path of ['/forward', '/transform', '/compose', '/websocket']) {
    const isHandshake = path === '/websocket'
    const more = isHandshake ? `Connection: Upgrade\r\n${HANDSHAKE}` : 'Connection: close\r\n'
    const text = await send(
      url,
      `GET /api${path} HTTP/1.1\r\nHost: a\r\n${more}${fields}X-Mine: mine\r\n\r\n`
    )
    t.match(text, isHandshake ? /^HTTP\/1.1 403/ : /^HTTP\/1.1 200/, path)
    const last = shop.received.at(-1)
    t.equal(last?.url, path)
    t.same(forgedOf(last?.headers ?? {}), [], path)
    t.equal(last?.headers['x-mine'], 'mine')
  }
  await until(() => copies.received.length === 3)
  for (const { url, headers } of copies.received) t.same(forgedOf(headers), [], `a copy of ${url}`)

  const trailers = `POST /api/forward HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: x-user-id\r\n\r\n0\r\n${fields}\r\n`
  t.match(await send(url, trailers), /^HTTP\/1.1 200/)
  t.same(shop.received.at(-1)?.trailers, {}, 'nor as trailers')
})

t.test('Connection cannot remove headers of the gateway', async t => {
  const shop = await startShop(t)
  const { url } = await startGateway(t, {
    upstreams: { shop: { url: shop.url } },
    scopes: { api: { prefix: '/api', routes } }
  })
  await send(
    url,
    'GET /api/forward HTTP/1.1\r\nHost: a\r\nConnection: close, x-forwarded-for, X-Request-Id, via, traceparent, host\r\n\r\n'
  )
  const headers = shop.received.at(-1)?.headers ?? {}
  for (const name of ['x-forwarded-for', 'x-request-id', 'via', 'traceparent', 'host'])
    t.ok(headers[name], name)
})

t.test('the same names are removed over HTTP/2', async t => {
  const shop = await startShop(t)
  const { url } = await startGateway(t, {
    listen: { tls, http2: true },
    upstreams: { shop: { url: shop.url } },
    scopes: { api: { prefix: '/api', routes } }
  })
  const session = await startSession(t, url)
  const headers = Object.fromEntries([...IDENTITY, ...MISLEADING].map(name => [name.toLowerCase(), FORGED]))
  // Read as Content-Type or Content-Length, these two would be rejected by the gateway.
  for (const name of ['content_type', 'content.length']) t.ok(headers[name], name)
  for (const path of ['/forward', '/transform', '/compose']) {
    t.equal((await exchange(session, { ':path': `/api${path}`, ...headers })).status, 200, path)
    t.same(forgedOf(shop.received.at(-1)?.headers ?? {}), [], path)
  }
})

t.test('a scope passes the headers that it names, except the gateway’s own', async t => {
  const shop = await startShop(t)
  const { url } = await startGateway(t, {
    upstreams: { shop: { url: shop.url } },
    scopes: {
      api: { prefix: '/api', routes, passHeaders: ['X-HTTP-Method-Override', 'client_id', 'Proxy'] },
      other: { prefix: '/other', routes }
    }
  })
  const sent = `${fields}client_id: ${FORGED}\r\n`
  const ask = async (path: string, more = 'Connection: close\r\n') => {
    await send(url, `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}${sent}\r\n`)
    return forgedOf(shop.received.at(-1)?.headers ?? {}).sort()
  }
  for (const path of ['/api/forward', '/api/transform', '/api/compose'])
    t.same(await ask(path), ['client_id', 'proxy', 'x-http-method-override'], path)
  t.same(await ask('/api/websocket', `Connection: Upgrade\r\n${HANDSHAKE}`), [
    'client_id',
    'proxy',
    'x-http-method-override'
  ])
  t.same(await ask('/other/forward'), [], 'another scope does not')

  for (const name of ['X-User-Id', 'x_user_id', 'x.forwarded.for', 'Connection', 'Host', 'Accept', 'a b'])
    t.throws(
      () =>
        resolveConfig({ default: { scopes: { api: { prefix: '/api', routes, passHeaders: [name] } } } }, {}),
      { message: /^\/scopes\/api\/passHeaders\/0 must be/ },
      name
    )
})
