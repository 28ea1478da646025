import { once } from 'node:events'
import {
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse
} from 'node:http'
import t from 'tap'
import forward from '../../plugins/forward.ts'
import { type Ending, startGateway, startService } from '../harness.ts'
import { read, startSession, tls } from '../http2.ts'

async function routes(app: import('fastify').FastifyInstance) {
  await app.register(forward)
  for (const upstream of ['plain', 'own'] as const)
    app.forward({ method: 'GET', url: `/${upstream}`, upstream, prefix: '' })
}

/** Milliseconds to wait for an event. */
const BOUND = 10_000

const KINDS: [what: string, headers: OutgoingHttpHeaders, body: string][] = [
  ['events', { 'content-type': 'text/event-stream' }, 'data: 1\n\n'],
  ['chunks of text', { 'content-type': 'text/plain' }, 'text'],
  ['chunks of no type', {}, 'text'],
  ['a long body', { 'content-type': 'application/zip', 'content-length': 100_000 }, 'x'.repeat(100_000)],
  ['a short body that is late', { 'content-type': 'application/json', 'content-length': 7 }, '{"a":1}']
]

t.test('headers are passed on when they arrive, before any body', async t => {
  let next: (typeof KINDS)[0]
  let pending: ServerResponse | undefined
  const service = await startService(t, (_request, response) => {
    pending = response
    response.writeHead(200, next[1]).flushHeaders()
  })
  const start = (listen: object) =>
    startGateway(t, {
      listen,
      upstreams: { plain: { url: service } },
      scopes: { all: { prefix: '/all', routes: only } }
    })
  const plain = await start({})
  const secure = await start({ tls, http2: true })
  const session = await startSession(t, secure.url)
  for (next of KINDS) {
    const [what, , body] = next
    const request = httpRequest(`${plain.url}/all/plain`).end()
    const [response] = (await once(request, 'response', { signal: AbortSignal.timeout(BOUND) })) as [
      IncomingMessage
    ]
    pending?.end(body)
    let text = ''
    for await (const chunk of response) text += chunk
    t.ok(text === body, `${what}, over HTTP/1.1`)

    const stream = session.request({ ':path': '/all/plain' })
    const answered = read(stream)
    await once(stream, 'response', { signal: AbortSignal.timeout(BOUND) })
    pending?.end(body)
    t.ok((await answered).body.toString() === body, `${what}, over HTTP/2`)
  }
})

async function only(app: import('fastify').FastifyInstance) {
  await app.register(forward)
  app.forward({ method: 'GET', url: '/plain', upstream: 'plain', prefix: '' })
}

t.test('response headers are limited by maxHeaderSize of the upstream, or else of http', async t => {
  const service = await startService(t, (_request, response) => {
    response.setHeader(
      'set-cookie',
      Array.from({ length: 20 }, (_, i) => `s${i}=${'v'.repeat(980)}`)
    )
    response.end('ok')
  })
  const start = (t: Ending, http: object, own: number) =>
    startGateway(t, {
      http,
      upstreams: { plain: { url: service }, own: { url: service, maxHeaderSize: own } },
      scopes: { all: { prefix: '/all', routes } }
    })
  const status = async (url: string) => {
    const request = httpRequest(url, { maxHeaderSize: 65_536 }).end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.resume()
    return response.statusCode
  }

  const narrow = await start(t, {}, 32_768)
  t.equal(await status(`${narrow.url}/all/plain`), 502, 'above the default of 16 KiB')
  t.equal(await status(`${narrow.url}/all/own`), 200)
  const wide = await start(t, { maxHeaderSize: 65_536 }, 8_192)
  t.equal(await status(`${wide.url}/all/plain`), 200)
  t.equal(await status(`${wide.url}/all/own`), 502)
})
