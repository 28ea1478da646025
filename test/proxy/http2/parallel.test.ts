import { once } from 'node:events'
import { constants, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { dispatch, startPool } from './dispatch.ts'
import { data, headers, reset, startFrameService } from './frames.ts'

t.test("many concurrent responses from Node's server are complete", async t => {
  const body = Buffer.alloc(25_000, 'x')
  const server = createServer((_request, response) => response.end(body)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const pool = startPool(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  // Over one connection, like the first one.
  await dispatch(pool).over
  const calls = Array.from({ length: 90 }, () => dispatch(pool).over)
  for (const told of await Promise.all(calls)) {
    t.equal(told.error, undefined)
    t.equal(told.body.length, body.length)
  }
})

t.test('a response is complete after its content-length, even if NO_ERROR ends the stream', async t => {
  for (const [length, isWhole] of [
    ['5', true],
    ['6', false],
    [undefined, false]
  ] as const)
    for (const code of [constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_INTERNAL_ERROR]) {
      const { url } = await startFrameService(t, (stream, socket) =>
        socket.write(
          Buffer.concat([
            headers(stream, { ':status': '200', ...(length && { 'content-length': length }) }),
            data(stream, 'whole'),
            reset(stream, code)
          ])
        )
      )
      const told = await dispatch(startPool(t, url)).over
      t.equal(told.error === undefined, isWhole && code === constants.NGHTTP2_NO_ERROR, `${length} ${code}`)
      t.equal(told.ends, 1)
    }
})
