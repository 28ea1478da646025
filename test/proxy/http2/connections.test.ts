import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createSecureServer, createServer, type SecureServerOptions } from 'node:http2'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import t from 'tap'
import { type Ending, startService, startTcpService } from '../../harness.ts'
import { ca, fixture, tls } from '../../http2.ts'
import { until } from '../../until.ts'
import { dispatch, startPool } from './dispatch.ts'
import {
  GOAWAY,
  goAway,
  HEADERS,
  headers,
  MAX_CONCURRENT_STREAMS,
  PING,
  settings,
  startFrameService
} from './frames.ts'

const OK = { ':status': '200' }
const finish = (stream: number, socket: Socket) => socket.write(headers(stream, OK, true))

async function startSecure(t: Ending, options: SecureServerOptions = {}): Promise<string> {
  const server = createSecureServer({ ...tls, ...options }, (request, response) => {
    const { subject } = (request.socket as TLSSocket).getPeerCertificate()
    response.end(`${request.httpVersion} ${request.authority ?? request.headers.host} ${subject?.CN ?? ''}`)
  })
  server.listen(0)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `https://localhost:${(server.address() as AddressInfo).port}`
}

t.test('a service that offers HTTP/2 over TLS is called over it, with SNI and certificates', async t => {
  const url = await startSecure(t, {
    requestCert: true,
    rejectUnauthorized: true,
    ca: fixture('client-ca.pem')
  })
  const own = { cert: fixture('client.pem'), key: fixture('client.key') }
  const authority = url.slice('https://'.length)
  const told = await dispatch(startPool(t, url, { tls: { ca, ...own } })).over
  t.equal(String(told.body), `2.0 ${authority} gateway`)
  t.ok((await dispatch(startPool(t, url, { tls: { ca } })).over).error)
  t.ok((await dispatch(startPool(t, url, { tls: own })).over).error)
  const byAddress = url.replace('localhost', '127.0.0.1')
  t.ok((await dispatch(startPool(t, byAddress, { tls: { ca, ...own } })).over).error)
  const named = { tls: { ca, ...own, servername: 'localhost' } }
  t.match(String((await dispatch(startPool(t, byAddress, named)).over).body), '2.0 127.0.0.1')
})

t.test('a service that chooses HTTP/1.1 is called over it on the same connection', async t => {
  let connections = 0
  const server = createHttps(tls, (request, response) => response.end(request.httpVersion))
  server.on('secureConnection', () => connections++)
  server.listen(0)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const pool = startPool(t, `https://localhost:${port}`, { tls: { ca } })
  t.equal(String((await dispatch(pool).over).body), '1.1')
  t.equal(connections, 1)
  t.equal(String((await dispatch(pool).over).body), '1.1')
  server.close()
  server.closeAllConnections()
  await new Promise(resolve => server.on('close', resolve))

  // Another version of the service takes its place.
  const next = createSecureServer(tls, (request, response) => response.end(request.httpVersion))
  next.listen(port)
  await once(next, 'listening')
  t.teardown(() => next.close())
  await until(async () => String((await dispatch(pool).over).body) === '2.0')
})

t.test('an upgrade uses HTTP/1.1', async t => {
  const server = createSecureServer({ ...tls, allowHTTP1: true }, (request, response) =>
    response.end(request.httpVersion)
  )
  server.on('upgrade', (_request, socket: Socket) =>
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello')
  )
  server.listen(0)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const pool = startPool(t, `https://localhost:${(server.address() as AddressInfo).port}`, { tls: { ca } })
  const { socket } = await pool.upgrade({ path: '/', protocol: 'websocket' })
  t.equal(String((await once(socket, 'data'))[0]), 'hello')
  t.equal(String((await dispatch(pool).over).body), '2.0', 'other requests use HTTP/2')
})

t.test('a service on a Unix socket is called', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'h2.sock')
  const server = createServer((request, response) => response.end(request.authority))
  server.listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  t.equal(String((await dispatch(startPool(t, `unix:${path}`)).over).body), 'localhost')
})

t.test('a service that does not speak HTTP/2 fails before anything is sent', async t => {
  const http1 = await dispatch(startPool(t, await startService(t, (_request, response) => response.end())))
    .over
  t.ok(http1.error)
  const silent = await startFrameService(t, () => {}, { greeting: null })
  const call = dispatch(startPool(t, silent.url, { connectTimeout: 100 }))
  t.equal((await call.over).error?.code, 'UND_ERR_CONNECT_TIMEOUT')
  t.equal(call.controller, undefined)
  t.notOk(silent.frames.some(({ type }) => type === HEADERS))
  const closing = await startTcpService(t, socket => socket.end())
  t.ok((await dispatch(startPool(t, closing)).over).error)
})

t.test('streams are limited by the service; further calls wait and can be cancelled', async t => {
  const waiting: (() => void)[] = []
  let open = 0
  let most = 0
  const service = await startFrameService(
    t,
    (stream, socket) => {
      most = Math.max(most, ++open)
      waiting.push(() => {
        open--
        finish(stream, socket)
      })
    },
    { greeting: settings(MAX_CONCURRENT_STREAMS, 2) }
  )
  const pool = startPool(t, service.url, { connections: 2 })
  const calls = Array.from({ length: 10 }, () => dispatch(pool))
  await until(() => waiting.length === 4)
  t.equal(service.accepted, 2)
  calls[9]?.leave?.()
  for (let i = 0; i < 9; i++) {
    await until(() => waiting.length > i)
    waiting[i]?.()
  }
  for (const call of calls.slice(0, 9)) t.equal((await call.over).status, 200)
  t.equal(most, 4)
  t.equal(calls[9]?.told.ends, 0)
  t.equal(waiting.length, 9)
})

t.test('a service that allows no streams gets no more connections', async t => {
  const service = await startFrameService(t, finish, { greeting: settings(MAX_CONCURRENT_STREAMS, 0) })
  const pool = startPool(t, service.url)
  const calls = Array.from({ length: 10 }, () => dispatch(pool))
  await until(() => service.connections.size === 1)
  for (const call of calls.slice(1)) call.leave?.()
  for (const socket of service.connections) socket.write(settings(MAX_CONCURRENT_STREAMS, 1))
  t.equal((await calls[0]?.over)?.status, 200)
  t.equal(service.accepted, 1)
})

t.test('after GOAWAY open streams continue, and new calls use another connection', async t => {
  let first: { stream: number; socket: Socket } | undefined
  const service = await startFrameService(t, (stream, socket) => {
    if (first !== undefined) return void finish(stream, socket)
    first = { stream, socket }
    // Like a stopping service: any open stream may still be served.
    socket.write(goAway(2 ** 31 - 1))
  })
  const pool = startPool(t, service.url)
  const open = dispatch(pool)
  await until(() => first !== undefined && service.frames.some(({ type }) => type === GOAWAY))
  t.equal((await dispatch(pool).over).status, 200)
  t.equal(service.accepted, 2)
  finish(first?.stream as number, first?.socket as Socket)
  t.equal((await open.over).status, 200)
  await until(() => service.connections.size === 1)
})

t.test('a silent connection gets a PING after a call timed out', async t => {
  for (const isAlive of [true, false]) {
    let calls = 0
    const service = await startFrameService(
      t,
      (stream, socket) => {
        if (++calls !== 2) finish(stream, socket)
      },
      { answersPing: isAlive }
    )
    const pool = startPool(t, service.url, { connectTimeout: 200, connections: 1 })
    await dispatch(pool).over
    const call = dispatch(pool)
    await until(() => calls === 2)
    call.controller?.abort(Object.assign(new Error('late'), { statusCode: 504 }))
    await until(() => service.frames.some(({ type }) => type === PING))
    // Waits for the PING reply, or for another connection.
    t.equal((await dispatch(pool).over).status, 200)
    t.equal(service.accepted, isAlive ? 1 : 2)
  }
})

t.test('close() waits for calls in progress, destroy() does not', async t => {
  const streams: { stream: number; socket: Socket }[] = []
  const service = await startFrameService(t, (stream, socket) => void streams.push({ stream, socket }), {
    greeting: settings(MAX_CONCURRENT_STREAMS, 1)
  })
  const pool = startPool(t, service.url, { connections: 1 })
  const [running, queued] = [dispatch(pool), dispatch(pool)]
  await until(() => streams.length === 1)
  const closed = pool.close()
  t.equal((await dispatch(pool).over).error?.code, 'UND_ERR_CLOSED')
  for (let i = 0; i < 2; i++) {
    await until(() => streams.length > i)
    finish(streams[i]?.stream as number, streams[i]?.socket as Socket)
  }
  await closed
  t.match([await running.over, await queued.over], [{ status: 200 }, { status: 200 }])

  const other = startPool(t, service.url, { connections: 1 })
  const both = [dispatch(other), dispatch(other)]
  await until(() => streams.length === 3)
  await other.destroy()
  for (const { over } of both) t.ok((await over).error)
  t.equal((await dispatch(other).over).error?.code, 'UND_ERR_DESTROYED')
  await until(() => service.connections.size === 0)
})

t.test('a service that floods the connection is disconnected, and the process continues', async t => {
  const floods: Record<string, (socket: Socket, stream: number) => void> = {
    PING: socket => {
      for (let i = 0; i < 20_000; i++)
        socket.write(Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]))
    },
    SETTINGS: socket => {
      for (let i = 0; i < 20_000; i++) socket.write(settings())
    },
    'header sections': (socket, stream) => {
      for (let i = 0; i < 5_000; i++)
        socket.write(headers(stream, { ':status': '103', link: 'x'.repeat(100) }))
      finish(stream, socket)
    },
    'large header sections': (socket, stream) => {
      const fields = Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`x-${i}`, 'y'.repeat(100)]))
      const block = headers(stream, { ...OK, ...fields }, true)
      // In frames of at most 16,384 bytes.
      const payload = block.subarray(9)
      for (let at = 0; at < payload.length; at += 16_384) {
        const part = payload.subarray(at, at + 16_384)
        const head = Buffer.alloc(9)
        head.writeUIntBE(part.length, 0, 3)
        head[3] = at === 0 ? 1 : 9
        head[4] = (at === 0 ? 1 : 0) | (at + part.length === payload.length ? 4 : 0)
        head.writeUInt32BE(stream, 5)
        socket.write(Buffer.concat([head, part]))
      }
    }
  }
  for (const [what, flood] of Object.entries(floods)) {
    const service = await startFrameService(t, (stream, socket) => flood(socket, stream))
    const call = dispatch(startPool(t, service.url))
    if (what === 'PING' || what === 'SETTINGS') {
      // Acknowledged, or disconnected.
      await until(
        () => service.frames.length > 1_000 || call.told.ends === 1 || service.connections.size === 0
      )
      call.controller?.abort(new Error('enough'))
    } else if (what === 'large header sections') t.ok((await call.over).error, what)
    t.ok((await call.over).ends === 1, what)
  }
})
