import type { IncomingMessage } from 'node:http'
import { connect, constants } from 'node:http2'
import { request } from 'node:https'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import { type Ending, startGateway } from '../../harness.ts'
import { ca, tls } from '../../http2.ts'
import { until } from '../../until.ts'
import { forwarding } from '../service.ts'
import { dispatch, startPool } from './dispatch.ts'
import { data, goAway, headers, reset, startFrameService } from './frames.ts'

const OK = { ':status': '200', 'content-type': 'text/plain' }
const { NGHTTP2_NO_ERROR, NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR } = constants

/** Ways in which a service aborts after the headers and `part` of a body. */
const cuts: Record<string, (stream: number, socket: Socket) => void> = {
  'RST_STREAM with NO_ERROR': (stream, socket) => socket.write(reset(stream, NGHTTP2_NO_ERROR)),
  'RST_STREAM with CANCEL': (stream, socket) => socket.write(reset(stream, NGHTTP2_CANCEL)),
  'RST_STREAM with INTERNAL_ERROR': (stream, socket) => socket.write(reset(stream, NGHTTP2_INTERNAL_ERROR)),
  'a connection that ends': (_stream, socket) => socket.end(),
  'a connection that is reset': (_stream, socket) => socket.resetAndDestroy(),
  'GOAWAY, and a connection that ends': (stream, socket) => socket.end(goAway(stream)),
  'GOAWAY with an error': (stream, socket) => socket.write(goAway(stream, NGHTTP2_INTERNAL_ERROR)),
  'less than its content-length': (stream, socket) => socket.write(data(stream, '', true)),
  'more than its content-length': (stream, socket) => socket.write(data(stream, 'x'.repeat(2000), true))
}

for (const [ending, cut] of Object.entries(cuts)) {
  const service = (t: Ending) =>
    startFrameService(t, (stream, socket) => {
      const isSized = ending.includes('content-length')
      socket.write(headers(stream, { ...OK, ...(isSized && { 'content-length': '1000' }) }))
      socket.write(data(stream, 'part'))
      // In another segment, so that the client has the start of the response.
      setImmediate(cut, stream, socket)
    })

  t.test(`${ending} in mid-body is reported as one error`, async t => {
    const told = await dispatch(startPool(t, (await service(t)).url)).over
    t.ok(told.error)
    t.equal(told.ends, 1)
  })

  for (const client of ['HTTP/1.1', 'HTTP/2'])
    t.test(
      `${ending} in mid-body aborts the response for a client of ${client}, and counts as a failure`,
      async t => {
        const { url, gateway } = await startGateway(t, {
          listen: { tls, http2: true },
          // Streamed, not buffered.
          upstreams: { orders: { url: (await service(t)).url, http2: true, bufferLimit: 0 } },
          scopes: { orders: { prefix: '/orders', routes: forwarding } }
        })
        const isWhole = await (client === 'HTTP/2' ? wholeOverHttp2(url) : wholeOverHttp1(url))
        t.notOk(isWhole)
        await until(() => gateway.upstream('orders').state().calls.running === 0)
        t.match(gateway.upstream('orders').state().breaker, { successes: 0, failures: 1 })
      }
    )
}

function wholeOverHttp1(url: string): Promise<boolean> {
  return new Promise(resolve => {
    request(
      `${url.replace('127.0.0.1', 'localhost')}/orders`,
      { ca, agent: false },
      (response: IncomingMessage) => {
        response
          .on('error', () => {})
          .on('close', () => resolve(response.complete && response.statusCode === 200))
        response.resume()
      }
    )
      .on('error', () => resolve(false))
      .end()
  })
}

function wholeOverHttp2(url: string): Promise<boolean> {
  return new Promise(resolve => {
    const session = connect(url.replace('127.0.0.1', 'localhost'), { ca }).on('error', () => {})
    const stream = session.request({ ':path': '/orders' })
    let status = 0
    stream.on('response', headers => {
      status = Number(headers[':status'])
    })
    stream.on('error', () => {}).resume()
    stream.on('close', () => {
      session.close()
      resolve(stream.rstCode === 0 && status === 200)
    })
  })
}

t.test('a complete response stays complete, whatever follows', async t => {
  const followers: Record<string, (stream: number, socket: Socket) => Buffer | undefined> = {
    'RST_STREAM with NO_ERROR': stream => reset(stream, NGHTTP2_NO_ERROR),
    'RST_STREAM with CANCEL': stream => reset(stream, NGHTTP2_CANCEL),
    GOAWAY: stream => goAway(stream),
    'GOAWAY with an error': stream => goAway(stream, NGHTTP2_INTERNAL_ERROR),
    'the end of the connection': () => undefined
  }
  for (const [what, follow] of Object.entries(followers))
    for (const hasTrailers of [false, true]) {
      const { url } = await startFrameService(t, (stream, socket) => {
        const end = hasTrailers
          ? [data(stream, 'whole'), headers(stream, { 'grpc-status': '0' }, true)]
          : [data(stream, 'whole', true)]
        const last = follow(stream, socket)
        socket.write(Buffer.concat([headers(stream, OK), ...end, ...(last ? [last] : [])]))
        if (last === undefined) socket.end()
      })
      // The request body is incomplete.
      const body = new Readable({ read() {} })
      const call = dispatch(startPool(t, url), { method: 'POST', body })
      call.controller?.pause()
      const told = await call.over
      t.equal(told.error, undefined, what)
      t.equal(String(told.body), 'whole')
      t.equal(told.trailers?.['grpc-status'], hasTrailers ? '0' : undefined)
      t.equal(told.ends, 1)
      t.ok(body.destroyed, 'the rest of the request is dropped')
    }
})

t.test('an invalid response is an error and not retried', async t => {
  const faults: Record<string, (stream: number) => Buffer> = {
    'no status': stream => headers(stream, { 'content-type': 'text/plain' }, true),
    'a status that is no number': stream => headers(stream, { ':status': 'two' }, true),
    'a status of 101': stream => headers(stream, { ':status': '101' }),
    'an interim response that ends the stream': stream => headers(stream, { ':status': '103' }, true),
    'DATA before HEADERS': stream => data(stream, 'x', true),
    'connection: close': stream => headers(stream, { ...OK, connection: 'close' }, true),
    'transfer-encoding: chunked': stream => headers(stream, { ...OK, 'transfer-encoding': 'chunked' }, true),
    'a content-length that is no number': stream => headers(stream, { ...OK, 'content-length': 'x' }, true),
    'a second header section that is no trailers': stream =>
      Buffer.concat([headers(stream, OK), headers(stream, { a: 'b' })]),
    'a pseudo-header in trailers': stream =>
      Buffer.concat([headers(stream, OK), headers(stream, { ':status': '200' }, true)])
  }
  for (const [what, fault] of Object.entries(faults)) {
    const service = await startFrameService(t, (stream, socket) => socket.write(fault(stream)))
    const told = await dispatch(startPool(t, service.url)).over
    t.equal(told.error?.code, 'HTTP2_MALFORMED_RESPONSE', what)
    t.equal(told.ends, 1)
  }
})
