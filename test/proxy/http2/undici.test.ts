import { constants } from 'node:http2'
import t from 'tap'
import { Pool } from 'undici'
import type { Ending } from '../../harness.ts'
import { until } from '../../until.ts'
import { dispatch } from './dispatch.ts'
import { data, headers, reset, startFrameService } from './frames.ts'

/**
 * Shows the faults of undici's HTTP/2 client that proxy/http2 avoids. A test fails when undici has fixed its fault. When all
 * are fixed, a Pool with `allowH2` can replace Http2Dispatcher.
 */
const OK = { ':status': '200' }

function startUndici(t: Ending, url: string): Pool {
  // The types of Pool lack this option.
  const pool = new Pool(url, { allowH2: true, ...{ useH2c: true } })
  t.teardown(() => pool.destroy())
  return pool
}

t.test('undici loses unread data when trailers arrive', async t => {
  const chunk = Buffer.alloc(16_000)
  const service = await startFrameService(t, (stream, socket) =>
    socket.write(
      Buffer.concat([
        headers(stream, OK),
        data(stream, chunk),
        data(stream, chunk),
        headers(stream, { 'grpc-status': '0' }, true)
      ])
    )
  )
  const call = dispatch(startUndici(t, service.url), {}, { onStart: controller => controller.pause() })
  await until(() => call.told.status === 200)
  // Long enough for the trailers, which are in the same packet.
  await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
  call.controller?.resume()
  const told = await call.over
  t.equal(told.error, undefined)
  t.not(told.body.length, 2 * chunk.length, 'part of the body is missing')
  t.match(told.trailers, { 'grpc-status': '0' }, 'the response looks complete')
})

for (const code of ['NGHTTP2_NO_ERROR', 'NGHTTP2_CANCEL'] as const)
  t.test(`undici treats RST_STREAM with ${code} as the end of a response`, async t => {
    const service = await startFrameService(t, (stream, socket) => {
      socket.write(Buffer.concat([headers(stream, OK), data(stream, 'part')]))
      setImmediate(() => socket.write(reset(stream, constants[code])))
    })
    const told = await dispatch(startUndici(t, service.url)).over
    t.equal(told.error, undefined)
    t.equal(String(told.body), 'part')
  })
