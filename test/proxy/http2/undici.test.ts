import { constants } from 'node:http2'
import t from 'tap'
import { Pool } from 'undici'
import type { Ending } from '../../harness.ts'
import { until } from '../../until.ts'
import { dispatch } from './dispatch.ts'
import { data, headers, reset, startFrameService } from './frames.ts'

/**
 * Shows the faults for which plugins/upstream/http2 is there instead of undici's own client of HTTP/2. A test that fails
 * says that undici has fixed one; once all do, a Pool with `allowH2` can take the place of Http2Dispatcher.
 */
const OK = { ':status': '200' }

function startUndici(t: Ending, url: string): Pool {
  // A pool takes it, whatever its types say.
  const pool = new Pool(url, { allowH2: true, ...{ useH2c: true } })
  t.teardown(() => pool.destroy())
  return pool
}

t.test('undici loses what a paused reader has not taken once trailers come', async t => {
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
  // Long enough for the trailers, which came in the same packet.
  await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
  call.controller?.resume()
  const told = await call.over
  t.equal(told.error, undefined)
  t.not(told.body.length, 2 * chunk.length, 'a part of the body is missing')
  t.match(told.trailers, { 'grpc-status': '0' }, 'and it looks complete')
})

for (const code of ['NGHTTP2_NO_ERROR', 'NGHTTP2_CANCEL'] as const)
  t.test(`undici takes RST_STREAM with ${code} for the end of a response`, async t => {
    const service = await startFrameService(t, (stream, socket) => {
      socket.write(Buffer.concat([headers(stream, OK), data(stream, 'part')]))
      setImmediate(() => socket.write(reset(stream, constants[code])))
    })
    const told = await dispatch(startUndici(t, service.url)).over
    t.equal(told.error, undefined)
    t.equal(String(told.body), 'part')
  })
