import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { type Ending, startGateway } from '../../harness.ts'
import { startSession, tls } from '../../http2.ts'
import { until } from '../../until.ts'
import { forwarding } from '../service.ts'
import { countedBody, dispatch, startPool } from './dispatch.ts'

const MiB = 1_048_576

/** Starts a service with node:http2 that calls `answer`. */
async function startHttp2(
  t: Ending,
  answer: (stream: ServerHttp2Stream, path: string) => void
): Promise<string> {
  const server = createServer()
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    answer(stream as ServerHttp2Stream, String(headers[':path']))
  })
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', session => sessions.add(session))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const session of sessions) session.destroy()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Sends `size` bytes that depend on their offset, then trailers. Counts the bytes that were accepted. */
function sendAll(stream: ServerHttp2Stream, size: number, type = 'text/plain'): { taken: number } {
  const state = { taken: 0 }
  stream.respond({ ':status': 200, 'content-type': type }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-check': String(size) }))
  const fill = () => {
    for (;;) {
      const length = Math.min(16_384, size - state.taken)
      if (length === 0) return void stream.end()
      const chunk = Buffer.alloc(length, (state.taken / 16_384) % 256)
      state.taken += length
      if (!stream.write(chunk)) return
    }
  }
  stream.on('drain', fill)
  fill()
  return state
}

t.test('a response with trailers is complete for a reader slower than the service', async t => {
  for (const size of [0, 1, 60_000, 140_000, 300_000, 2 * MiB]) {
    const url = await startHttp2(t, stream => void sendAll(stream, size))
    let resumed = 0
    const call = dispatch(startPool(t, url), {}, { onStart: controller => controller.pause() })
    // Read in pieces, some of them after everything was sent.
    const timer = setInterval(() => {
      resumed++
      call.controller?.resume()
      call.controller?.pause()
    }, 1)
    const told = await call.over
    clearInterval(timer)
    t.equal(told.error, undefined)
    t.equal(told.body.length, size)
    t.ok(isInOrder(told.body))
    t.match(told.trailers, { 'x-check': String(size) })
    t.ok(size < MiB || resumed > 1)
  }
})

t.test('a paused reader pauses the service, also through the gateway', async t => {
  const states: { taken: number }[] = []
  const url = await startHttp2(t, stream => void states.push(sendAll(stream, 8 * MiB)))
  const call = dispatch(startPool(t, url), {}, { onStart: controller => controller.pause() })
  await until(() => call.told.status === 200 && states.length === 1)
  await settled(() => states[0]?.taken)
  t.ok((states[0]?.taken ?? 0) < 2 * MiB, `${states[0]?.taken} bytes were taken`)
  call.controller?.abort(new Error('enough'))

  const gateway = await startGateway(t, {
    listen: { tls, http2: true },
    upstreams: { orders: { url, http2: true } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  const session = await startSession(t, gateway.url)
  const stream = session.request({ ':path': '/orders' }).on('error', () => {})
  await once(stream, 'response')
  await settled(() => states[1]?.taken)
  t.ok((states[1]?.taken ?? 0) < 4 * MiB, `${states[1]?.taken} bytes were taken`)
  let received = 0
  stream.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  await new Promise(resolve => stream.on('close', resolve))
  t.equal(received, 8 * MiB)
  t.equal(stream.rstCode, 0)
})

t.test('a paused service pauses an upload, which completes when it reads again', async t => {
  let stream: ServerHttp2Stream | undefined
  const url = await startHttp2(t, opened => {
    stream = opened.pause()
  })
  const body = countedBody(8 * MiB)
  let isSent = false
  const call = dispatch(startPool(t, url), { method: 'POST', body }, { onSent: () => (isSent = true) })
  await until(() => stream !== undefined)
  await settled(() => body.given)
  t.ok(body.given < 2 * MiB, `${body.given} bytes were taken`)
  t.notOk(isSent)
  let received = 0
  stream?.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  stream?.resume()
  stream?.on('end', () => stream?.respond({ ':status': 201 }, { endStream: true }))
  t.equal((await call.over).status, 201)
  t.equal(received, 8 * MiB)
  t.ok(isSent)
})

for (const retry of [{ attempts: 0 }, undefined])
  for (const headers of [{ 'content-length': '6' }, {}])
    t.test(`an upload over HTTP/1.1 passes: ${JSON.stringify({ retry, headers })}`, async t => {
      const service = await startHttp2(t, stream => {
        stream.respond()
        stream.pipe(stream)
      })
      const { url } = await startGateway(t, {
        upstreams: { orders: { url: service, http2: true, ...(retry && { retry: retry as never }) } },
        scopes: { orders: { prefix: '/orders', routes: forwarding } }
      })
      const upload = request(`${url}/orders`, { method: 'POST', headers, agent: false })
      upload.write('abc')
      upload.end('def')
      const [response] = (await once(upload, 'response')) as [IncomingMessage]
      t.equal(String(Buffer.concat(await response.toArray())), 'abcdef')
    })

t.test('concurrent responses do not block each other', async t => {
  const url = await startHttp2(t, (stream, path) => void sendAll(stream, Number(path.slice(1))))
  const pool = startPool(t, url, { connections: 1 })
  const slow = dispatch(pool, { path: `/${2 * MiB}` }, { onStart: controller => controller.pause() })
  const others = await Promise.all(
    Array.from({ length: 250 }, (_, i) => dispatch(pool, { path: `/${i * 100}` }).over)
  )
  t.same(
    others.map(({ body, error }) => error ?? body.length),
    Array.from({ length: 250 }, (_, i) => i * 100)
  )
  slow.controller?.resume()
  t.equal((await slow.over).body.length, 2 * MiB)
})

function isInOrder(body: Buffer): boolean {
  for (let at = 0; at < body.length; at += 16_384) {
    const place = (at / 16_384) % 256
    if (!body.subarray(at, at + 16_384).equals(Buffer.alloc(Math.min(16_384, body.length - at), place)))
      return false
  }
  return true
}

/** Waits until a count stops growing. */
async function settled(count: () => unknown): Promise<void> {
  let before: unknown
  let same = 0
  await until(() => {
    same = count() === before ? same + 1 : 0
    before = count()
    return same > 10
  })
}
