import { once } from 'node:events'
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { pino } from 'pino'
import t from 'tap'
import forward from '../../plugins/forward.ts'
import grpc from '../../plugins/grpc.ts'
import { startGateway } from '../../testing.ts'
import type { Ending } from '../harness.ts'
import { startSession, tls } from '../http2.ts'
import { until } from '../until.ts'
import {
  DATA,
  data,
  type FrameServer,
  HEADERS,
  headers,
  RST_STREAM,
  reset,
  startFrameServer,
  startFrameService
} from './http2/frames.ts'

const OK = { ':status': '200', 'content-type': 'application/grpc' }
const DETAILS = { 'grpc-status-details-bin': 'CAMSAm5v', 'x-reason': 'quota' }
const MESSAGE = Buffer.from([0, 0, 0, 0, 2, 104, 105])

async function start(t: Ending, { url }: FrameServer, config: object = {}) {
  const logged: string[] = []
  const { gateway, url: own } = await startGateway(
    t as never,
    {
      listen: { tls, http2: true },
      upstreams: { products: { url, http2: true } },
      scopes: {
        echo: {
          prefix: '/test.Echo',
          routes: async (app: FastifyInstance) => {
            await app.register(forward)
            await app.register(grpc)
            app.grpc({ url: '/*', upstream: 'products', config })
          }
        }
      }
    } as never,
    { logger: pino({ level: 'info' }, { write: line => void logged.push(line) }) as FastifyBaseLogger }
  )
  return { gateway, logged, session: await startSession(t, own) }
}

interface Heard {
  headers: IncomingHttpHeaders
  isTrailersOnly: boolean
  trailers: IncomingHttpHeaders
  body: Buffer
  code: number
}

function call(
  session: Awaited<ReturnType<typeof startSession>>,
  metadata: object = {}
): { stream: ClientHttp2Stream; over: Promise<Heard> } {
  const heard: Heard = { headers: {}, isTrailersOnly: false, trailers: {}, body: Buffer.alloc(0), code: 0 }
  const stream = session.request({
    ':path': '/test.Echo/Call',
    ':method': 'POST',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...metadata
  })
  stream
    .on('error', () => {})
    .on('response', (headers, flags) => {
      heard.headers = headers
      heard.isTrailersOnly = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
    })
    .on('trailers', trailers => {
      heard.trailers = trailers
    })
    .on('data', (chunk: Buffer) => {
      heard.body = Buffer.concat([heard.body, chunk])
    })
  const over = new Promise<Heard>(resolve =>
    stream.on('close', () => resolve({ ...heard, code: stream.rstCode ?? 0 }))
  )
  return { stream, over }
}

t.test('a trailers-only response stays one, with its metadata', async t => {
  const status = { 'grpc-status': '3', 'grpc-message': 'no', ...DETAILS }
  const service = await startFrameService(t, (stream, socket) =>
    socket.write(headers(stream, { ...OK, ...status }, true))
  )
  const { session, gateway } = await start(t, service)
  const { stream, over } = call(session)
  stream.end(MESSAGE)
  const heard = await over
  t.ok(heard.isTrailersOnly)
  t.match(heard.headers, { ...status, 'content-type': 'application/grpc', 'x-request-id': String })
  t.equal(heard.headers['content-length'], undefined)
  t.equal(heard.code, 0)
  await until(() => gateway.upstream('products').state().breaker.calls === 1)
})

t.test('a status sent before the body is in the trailers, with its details', async t => {
  const service = await startFrameService(t, (stream, socket) =>
    socket.write(
      Buffer.concat([
        headers(stream, { ...OK, 'grpc-status': '3', 'grpc-message': 'no', ...DETAILS }),
        data(stream, '', true)
      ])
    )
  )
  const { session } = await start(t, service)
  const { stream, over } = call(session)
  stream.end(MESSAGE)
  t.match((await over).trailers, {
    'grpc-status': '3',
    'grpc-message': 'no',
    'grpc-status-details-bin': 'CAMSAm5v'
  })
})

t.test('trailers pass with their metadata', async t => {
  const status = { 'grpc-status': '9', 'grpc-message': 'no', ...DETAILS }
  const service = await startFrameService(t, (stream, socket) =>
    socket.write(Buffer.concat([headers(stream, OK), data(stream, MESSAGE), headers(stream, status, true)]))
  )
  const { session } = await start(t, service)
  const { stream, over } = call(session)
  stream.end(MESSAGE)
  const heard = await over
  t.match(heard.trailers, status)
  t.same(heard.body, MESSAGE)
})

/** Echoes each message and never ends. */
function startEcho(t: Ending): Promise<FrameServer> {
  return startFrameServer(t, ({ type, stream, payload }, socket) => {
    if (type === HEADERS) socket.write(headers(stream, OK))
    else if (type === DATA) socket.write(data(stream, payload))
  })
}

for (const [what, metadata, config] of [
  ['the client’s', { 'grpc-timeout': '200m' }, {}],
  ['the route’s', {}, { deadline: 200 }]
] as const)
  t.test(
    `a bidirectional call that outlives ${what} deadline ends with a status, and is cancelled`,
    async t => {
      const service = await startEcho(t)
      const { session, logged } = await start(t, service, config)
      const { stream, over } = call(session, metadata)
      stream.write(MESSAGE)
      await once(stream, 'data')
      const heard = await over
      t.match(heard.trailers, { 'grpc-status': '4' })
      t.same(heard.body, MESSAGE)
      t.equal(heard.code, 0)
      await until(() => service.frames.some(({ type }) => type === RST_STREAM))
      const resets = service.frames.filter(({ type }) => type === RST_STREAM)
      t.same(
        resets.map(({ payload }) => payload.readUInt32BE()),
        [constants.NGHTTP2_CANCEL]
      )
      await until(() => logged.some(line => line.includes('"grpcStatus":4')))
      t.notOk(logged.some(line => /ERR_|HEADERS_SENT|"level":"error"/.test(line)))
    }
  )

t.test('a client that does not read gets CANCEL', async t => {
  const service = await startFrameService(t, (stream, socket) => {
    socket.write(headers(stream, OK))
    for (let i = 0; i < 3; i++) socket.write(data(stream, Buffer.alloc(16_000)))
  })
  const { session, gateway } = await start(t, service)
  // Its window is smaller than the response.
  const stream = session.request(
    {
      ':path': '/test.Echo/Call',
      ':method': 'POST',
      'content-type': 'application/grpc',
      'grpc-timeout': '200m'
    },
    { endStream: true }
  )
  session.settings({ initialWindowSize: 1_000 })
  stream.on('error', () => {})
  await once(stream, 'response')
  await new Promise(resolve => stream.on('close', resolve))
  t.equal(stream.rstCode, constants.NGHTTP2_CANCEL)
  await until(() => gateway.upstream('products').state().calls.running === 0)
})

t.test('an aborted response ends with UNAVAILABLE, and is a failure', async t => {
  const service = await startFrameService(t, (stream, socket) =>
    socket.write(
      Buffer.concat([headers(stream, OK), data(stream, MESSAGE), reset(stream, constants.NGHTTP2_NO_ERROR)])
    )
  )
  const { session, gateway } = await start(t, service)
  const { stream, over } = call(session)
  stream.end(MESSAGE)
  const heard = await over
  t.match(heard.trailers, { 'grpc-status': '14' })
  t.same(heard.body, MESSAGE)
  await until(() => gateway.upstream('products').state().breaker.failures === 1)
})
