import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import forward from '../../plugins/forward.ts'
import { type Ending, startGateway } from '../harness.ts'
import { ca, tls } from '../http2.ts'
import { startIssuer } from '../issuer.ts'
import { startRecorder } from './raw-sockets.ts'

const HOST = 'Host: localhost\r\n'
const head = (method: string, path: string) =>
  `${method} ${path} HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`

/** Requests that are rejected before their body is read. */
const REFUSED: [method: string, path: string, status: number][] = [
  ['POST', '/nowhere', 404],
  ['POST', '/open/get', 405],
  ['POST', '/closed/x', 401],
  ['POST', '/limited/x', 429],
  ['POST', '/open/busy', 503],
  ['POST', '/open/any/..%2fx', 400],
  ['POST', '/open/own', 200]
]

const BAD_CHUNKS = [
  'zz\r\n',
  '1\r\nab\r\n',
  '1\r\na\r\n0\r\nbad\r\n\r\n',
  'fffffffffffffffff\r\n',
  '1;\0\r\n'
]

async function start(t: Ending, listen = {}, http = {}) {
  const service = await startRecorder(t)
  const { issuer } = await startIssuer(t)
  const { url } = await startGateway(t, {
    listen,
    http,
    upstreams: { products: { url: service.url } },
    issuers: { shop: { issuer, audience: 'api://gateway' } },
    tiers: { none: { limits: [{ limit: 1, window: 3_600_000 }] } },
    scopes: {
      open: {
        prefix: '/open',
        routes: async (app: FastifyInstance) => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/get', upstream: 'products', prefix: '' })
          app.forward({ method: 'POST', url: '/any/*', upstream: 'products', prefix: '' })
          app.post(
            '/busy',
            { onRequest: async () => Promise.reject(Object.assign(new Error(), { statusCode: 503 })) },
            () => ''
          )
          app.post('/own', { onRequest: async (_request, reply) => reply.send('own') }, () => '')
        }
      },
      closed: {
        prefix: '/closed',
        jwt: 'shop',
        routes: async (app: FastifyInstance) => void app.post('/x', () => '')
      },
      limited: {
        prefix: '/limited',
        rateLimit: { address: 'none' },
        routes: async (app: FastifyInstance) => void app.post('/x', () => '')
      }
    }
  })
  return { url, service }
}

/** Sends `first`, and `then` after the first bytes of the response. Returns all bytes until the end. */
async function converse(url: string, first: string, then?: string): Promise<string> {
  const { protocol, port } = new URL(url)
  const socket =
    protocol === 'https:'
      ? connectTls({ port: Number(port), host: 'localhost', ca, ALPNProtocols: ['http/1.1'] })
      : connect(Number(port), '127.0.0.1')
  socket.setEncoding('latin1')
  socket.on('error', () => {})
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })
  socket.write(first, 'latin1')
  if (then !== undefined) {
    await once(socket, 'data')
    socket.write(then, 'latin1')
  }
  await once(socket, 'close')
  return text
}

const statuses = (text: string) =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) [A-Z]/g)].map(([, code]) => Number(code))

for (const [how, listen] of [
  ['TCP', {}],
  ['TLS', { tls, http2: true }]
] as const)
  t.test(`a request gets one response, even if the rest of it is invalid (${how})`, async t => {
    const { url, service } = await start(t, listen)
    // Exhausts the limit.
    await converse(url, `POST /limited/x HTTP/1.1\r\n${HOST}Connection: close\r\nContent-Length: 0\r\n\r\n`)
    for (const [method, path, status] of REFUSED)
      for (const bad of BAD_CHUNKS) {
        const what = `${path} ${JSON.stringify(bad)}`
        t.same(statuses(await converse(url, head(method, path), bad)), [status], `${what}: later`)
        const first = `GET /open/get HTTP/1.1\r\n${HOST}\r\n`
        const [before, ...rest] = statuses(await converse(url, first + head(method, path) + bad + first))
        t.equal(before, 200, `${what}: behind a good one`)
        t.equal(rest.length, 1, `${what}: at once, ${rest}`)
      }
    t.equal(service.faults.length, 0)
  })

t.test('a body that never arrives causes no second response', async t => {
  const { url } = await start(t, {}, { requestTimeout: 300, headersTimeout: 300 })
  for (const rest of [undefined, '1\r\na\r\n'])
    t.same(statuses(await converse(url, head('POST', '/nowhere'), rest)), [404], String(rest))
  const next = 'GET /nowhere HTTP/1.1\r\n'
  t.same(
    statuses(await converse(url, `GET /nowhere HTTP/1.1\r\n${HOST}\r\n`, next)),
    [404, 408],
    'incomplete headers of another request get a response'
  )
})

t.test('a body over the limit gets 413 and nothing else', async t => {
  const { url } = await start(t)
  const large = `100001\r\n${'a'.repeat(0x100001)}\r\n`
  for (const bad of BAD_CHUNKS)
    t.same(
      statuses(await converse(url, head('POST', '/open/any/x') + large + bad)),
      [413],
      JSON.stringify(bad)
    )
})
