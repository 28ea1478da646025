import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import WebSocket, { WebSocketServer } from 'ws'
import { buildAdmin } from '../../../admin/admin.ts'
import type { GatewayDefinition } from '../../../config/define-gateway.ts'
import forward from '../../../plugins/forward.ts'
import { startTokens } from '../../../testing.ts'
import { call, closedPort, startGateway, startService } from '../../harness.ts'
import { ca, exchange, startSession, tls } from '../../http2.ts'
import { until } from '../../until.ts'
import { openNetworkPanel, type Row } from './panel.ts'

const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64'
)
const NAME = '{"name":"Ünï 日本 😀"}'

const answer: RequestListener = (request, response) => {
  const { url } = request
  if (url === '/hang' || url === '/left') return
  if (url === '/pixel.png') return void response.setHeader('content-type', 'image/png').end(PIXEL)
  if (url === '/empty') return void response.writeHead(204).end()
  response.setHeader('content-type', 'application/json')
  if (url === '/long') return void response.end(JSON.stringify(Array(50_000).fill('abcdefgh')))
  request.resume().on('end', () => response.setHeader('set-cookie', 'sid=s3cr3t').end(NAME))
}

t.test('the network panel of a browser shows the responses and failures of a gateway', async t => {
  const panel = await openNetworkPanel(t)
  const { url, save, service } = await start(t)
  const json = { 'content-type': 'application/json' }
  await call(`${url}/api/1?q=%C3%BC&token=s3cr3t`, { headers: { authorization: 'Bearer s3cr3t' } })
  await call(`${url}/api/grüße`, {
    method: 'POST',
    headers: json,
    body: '{"to":"日本 😀","password":"s3cr3t"}'
  })
  await call(`${url}/api/form`, { method: 'POST', body: new URLSearchParams({ a: 'ü b', pin: '1' }) })
  await call(`${url}/api/bytes`, { method: 'POST', body: Buffer.from([0, 255, 254, 1]) })
  await call(`${url}/me`)
  await call(`${url}/api/gone`)
  for (const path of ['hang', 'pixel.png', 'long', 'empty']) await call(`${url}/api/${path}`)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('GET /api/left HTTP/1.1\r\nhost: left.example\r\n\r\n')
  await until(() => service.includes('/left'))
  socket.destroy()

  const rows = await panel.load(await save(11), 13)
  const shown = (rows: Row[]) => rows.map(({ name, status, type }) => [name, status, type])
  t.same(shown(rows), [
    ['1?q=%C3%BC&token=%5Bredacted%5D', '200', 'fetch'],
    ['gr%C3%BC%C3%9Fe', '200', 'fetch'],
    ['form', '200', 'fetch'],
    ['bytes', '200', 'fetch'],
    ['me', '401', 'fetch'],
    ['gone', '502', 'fetch'],
    // Its attempts; their paths are not recorded.
    ['127.0.0.1', 'connection-refused', 'fetch'],
    ['127.0.0.1', 'connection-refused', 'fetch'],
    ['hang', '504', 'fetch'],
    ['pixel.png', '200', 'png'],
    ['long', '200', 'fetch'],
    ['empty', '204', 'fetch'],
    ['left', '499', 'fetch']
  ])
  for (const { name, size, time } of rows) {
    t.match(
      size,
      name === 'left' || name === '127.0.0.1' ? '0.0 kB' : name === 'long' ? /^55\d kB$/ : /^0\.[1-9] kB$/,
      `size of ${name}`
    )
    t.match(time, /^\d+(\.\d+)? m?s$/, `time of ${name}`)
    const stages = /Waiting for server response\W+[\d.]+ (μs|ms|s) Content download\W+[\d.]+ (μs|ms|s)/
    const timing = await panel.read(name, 'Timing', stages)
    t.match(timing, stages, `stages of ${name}`)
    t.notMatch(timing, /NaN|-\d/)
  }
  t.match(
    await panel.read('hang', 'Timing', /Waiting/),
    /Waiting for server response\W+(1\.\d+ s|\d{3}\.\d+ ms)/
  )

  await shows('1?q=%C3%BC&token=%5Bredacted%5D', 'Headers', [
    /Request URL http:\/\/127\.0\.0\.1:\d+\/api\/1\?q=%C3%BC&token=%5Bredacted%5D Request method GET Status code 200 OK/,
    new RegExp(`Remote address ${service.url.slice('http://'.length)} `),
    /Response headers .*content-type application\/json .*set-cookie \[redacted\] /,
    /Request headers .* authorization \[redacted\] .*host 127\.0\.0\.1:\d+ /
  ])
  await shows('1?q=%C3%BC&token=%5Bredacted%5D', 'Payload', [/Query string .*q ü token \[redacted\]/])
  await shows('1?q=%C3%BC&token=%5Bredacted%5D', 'Response', [/\{"name":"Ünï 日本 😀"\}/])
  await shows('gr%C3%BC%C3%9Fe', 'Headers', [/Request method POST .* content-type application\/json/])
  await shows('gr%C3%BC%C3%9Fe', 'Payload', [/\{to: "日本 😀", password: "\[redacted\]"\}/])
  await shows('gr%C3%BC%C3%9Fe', 'Preview', [/\{name: "Ünï 日本 😀"\}/])
  await shows('form', 'Payload', [/Form data .*a ü b pin /])
  await shows('bytes', 'Payload', [/Request payload .*AP\/\+AQ==/])
  await shows('me', 'Headers', [/401 Unauthorized .*www-authenticate Bearer/])
  await shows('me', 'Preview', [/urn:sluice:token-missing/])
  await shows('gone', 'Preview', [/urn:sluice:upstream-failed.* status: 502/])
  await shows('hang', 'Preview', [/urn:sluice:deadline-exceeded.* status: 504/])
  await shows('pixel.png', 'Preview', [/70 B .*1 × 1 .*image\/png/])
  await shows('long', 'Response', [/"abcdefgh",/])
  await shows('empty', 'Headers', [/204 No Content/])
  await shows('left', 'Headers', [/http:\/\/left\.example\/api\/left .*499 /])
  t.same(panel.errors, [])

  async function shows(name: string, tab: Parameters<typeof panel.read>[1], expected: RegExp[]) {
    for (const one of expected) t.match(await panel.read(name, tab, one), one, `${tab} of ${name}`)
  }
})

t.test('the panel shows HTTP/2, TLS and a WebSocket as such', async t => {
  const panel = await openNetworkPanel(t)
  const { url, save } = await start(t, { listen: { tls, http2: true } })
  const session = await startSession(t, url)
  const post = { ':method': 'POST', ':path': '/api/2', 'content-type': 'application/json' }
  t.equal((await exchange(session, post, '{"to":"日本"}')).status, 200)
  t.equal((await exchange(session, { ':path': '/api/gone' })).status, 502)
  const socket = new WebSocket(`${url.replace('https://127.0.0.1', 'wss://localhost')}/api/live?q=1`, { ca })
  await once(socket, 'open')
  socket.close()
  await once(socket, 'close')

  const rows = await panel.load(await save(3), 5)
  t.same(
    rows.map(({ name, status, type }) => [name, status, type]),
    [
      ['2', '200', 'fetch'],
      ['gone', '502', 'fetch'],
      ['127.0.0.1', 'connection-refused', 'fetch'],
      ['127.0.0.1', 'connection-refused', 'fetch'],
      ['live?q=1', '101', 'websocket']
    ]
  )
  const authority = new URL(url.replace('127.0.0.1', 'localhost')).host
  for (const [name, expected] of [
    ['2', `https://${authority}/api/2`],
    ['gone', `https://${authority}/api/gone`],
    ['live?q=1', `wss://${authority}/api/live\\?q=1`]
  ] as const) {
    const shown = new RegExp(`Request URL ${expected} `)
    t.match(await panel.read(name, 'Headers', shown), shown)
  }
  const headers = await panel.read('2', 'Headers', /:path/)
  t.match(
    headers,
    /200 .*Response headers .*content-type application\/json .*Request headers .*:path \/api\/2/
  )
  for (const [tab, expected] of [
    ['Payload', /\{to: "日本"\}/],
    ['Response', /\{"name":"Ünï 日本 😀"\}/]
  ] as const)
    t.match(await panel.read('2', tab, expected), expected)
  t.same(panel.errors, [])
})

/** Starts a gateway with a service, one that is down, and one for WebSockets. `save` waits for that many exchanges. */
async function start(t: Test, definition: object = {}) {
  const asked: string[] = []
  const things = await startService(t, (request, response) => {
    asked.push(request.url as string)
    answer(request, response)
  })
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(sockets, 'listening')
  t.teardown(() => sockets.close())
  const tokens = await startTokens(t)
  const { gateway, url } = await startGateway(t, {
    deadline: 400,
    issuers: { main: tokens.options },
    upstreams: {
      things: { url: things },
      gone: { url: await closedPort() },
      live: { url: `http://127.0.0.1:${(sockets.address() as { port: number }).port}` }
    },
    scopes: {
      api: {
        prefix: '/api',
        routes: async (app: FastifyInstance) => {
          await app.register(forward)
          app.forward({
            method: ['GET', 'POST'],
            url: '/*',
            upstream: 'things',
            prefix: ''
          })
          app.forward({ method: 'GET', url: '/gone', upstream: 'gone', prefix: '' })
          app.websocket({ url: '/live', upstream: 'live', prefix: '/live' })
        }
      },
      me: {
        prefix: '/me',
        jwt: 'main',
        routes: async (app: FastifyInstance) => void app.get('/', () => ({}))
      }
    },
    ...definition
  } as GatewayDefinition)
  const admin = await buildAdmin(gateway, () => false)
  t.teardown(() => admin.close())
  const adminUrl = await admin.listen({ port: 0, host: '127.0.0.1' })
  return {
    url,
    service: { url: things, includes: (path: string) => asked.includes(path) },
    async save(count: number): Promise<string> {
      await until(() => gateway.recorder?.counts().recorded === count)
      const { text } = await call(`${adminUrl}/exchanges.har`)
      return join(t.testdir({ 'exchanges.har': text }), 'exchanges.har')
    }
  }
}
