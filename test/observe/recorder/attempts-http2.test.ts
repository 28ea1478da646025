import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { buildAdmin } from '../../../admin/admin.ts'
import forward from '../../../plugins/forward.ts'
import grpc from '../../../plugins/grpc.ts'
import { call, startGateway } from '../../harness.ts'
import { exchange, startSession, tls } from '../../http2.ts'
import { harFaults } from './har.ts'

/** A message of gRPC: not compressed, its length, its bytes. */
const MESSAGE = Buffer.from([0, 0, 0, 0, 3, 1, 2, 3])
const json = { 'content-type': 'application/json' }

/** Starts a gateway that speaks HTTP/2 on both sides, and a capture of what it sends to the service. */
async function start(
  t: Test,
  respond: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: Buffer) => void
) {
  const service = createServer().on('stream', async (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk)
    respond(stream, headers, Buffer.concat(chunks))
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  t.teardown(() => service.close())
  const { gateway, url } = await startGateway(t, {
    listen: { tls, http2: true },
    upstreams: {
      echo: {
        url: `http://127.0.0.1:${(service.address() as AddressInfo).port}`,
        http2: true,
        retry: { methods: ['POST'], backoff: { base: 1, max: 1 } }
      }
    },
    scopes: {
      echo: {
        prefix: '/test.Echo',
        routes: async (app: FastifyInstance) => {
          await app.register(forward)
          await app.register(grpc)
          app.grpc({ url: '/*', upstream: 'echo' })
          app.forward({ method: 'POST', url: '/plain', upstream: 'echo', prefix: '/test.Echo' })
        }
      }
    }
  })
  const admin = await buildAdmin(gateway, () => false)
  t.teardown(() => admin.close())
  const own = await admin.listen({ port: 0, host: '127.0.0.1' })
  for (const route of ['/test.Echo/*', '/test.Echo/plain'])
    await call(`${own}/captures`, {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ route, upstream: true })
    })
  return {
    session: await startSession(t, url),
    async captured() {
      const captures = (await call(`${own}/captures`)).json
      const taken = captures.find((capture: any) => capture.taken > 0)
      const har = (await call(`${own}/captures/${taken.id}.har`)).json
      t.same(harFaults(har), [])
      return { ...(await call(`${own}/captures/${taken.id}`)).json.exchanges[0], har }
    }
  }
}

t.test('attempts over HTTP/2 have headers and bodies of both directions', async t => {
  let calls = 0
  const { session, captured } = await start(t, (stream, _headers, body) => {
    stream.respond({
      ':status': ++calls === 1 ? 503 : 200,
      'content-type': 'application/json',
      'x-call': calls
    })
    stream.end(body)
  })
  const headers = { ':method': 'POST', ':path': '/test.Echo/plain', ...json }
  t.equal((await exchange(session, headers, '{"pin":"1234"}')).status, 200)
  const { upstreamAttempts, har } = await captured()
  const body = { text: '{"pin":"[redacted]"}' }
  t.match(upstreamAttempts, [
    { retry: 0, status: 503, cause: 'service-error', request: { body }, response: { body } },
    { retry: 1, status: 200, method: 'POST', path: '/test.Echo/plain', request: { body }, response: { body } }
  ])
  t.strictSame(
    upstreamAttempts.map(({ response }: any) =>
      response.headers.find(([name]: string[]) => name === 'x-call')
    ),
    [
      ['x-call', '1'],
      ['x-call', '2']
    ]
  )
  t.equal(har.log.entries.length, 3)
})

t.test('attempts of gRPC calls have its status, which is in the trailers', async t => {
  const { session, captured } = await start(t, (stream, _headers, body) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '13', 'grpc-message': 'no' }))
    stream.end(body)
  })
  const headers = {
    ':method': 'POST',
    ':path': '/test.Echo/Call',
    'content-type': 'application/grpc',
    te: 'trailers'
  }
  t.equal((await exchange(session, headers, MESSAGE)).body.length, MESSAGE.length)
  const { upstreamAttempts } = await captured()
  const body = { type: 'application/grpc', size: MESSAGE.length, base64: MESSAGE.toString('base64') }
  t.match(upstreamAttempts, [
    {
      status: 200,
      grpcStatus: 13,
      cause: 'service-error',
      path: '/test.Echo/Call',
      request: { body },
      response: { body }
    }
  ])
})
