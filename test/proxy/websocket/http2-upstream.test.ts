import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createHttp2, createSecureServer } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import { WebSocketServer } from 'ws'
import { call, type Ending, startTcpService } from '../../harness.ts'
import { ca, tls } from '../../http2.ts'
import { data, headers, startFrameService } from '../http2/frames.ts'
import { dial, refused, start } from './echo.ts'

/** A service of HTTP/2 over TLS that takes WebSockets over HTTP/1.1, or none. */
async function startService(t: Ending, takesWebSockets: boolean): Promise<string> {
  const versions = (request: { httpVersion: string }, response: { end(text: string): void }) =>
    response.end(request.httpVersion)
  const server = createSecureServer({ ...tls, allowHTTP1: true }, versions)
  const service = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    if (!takesWebSockets) return socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
    service.handleUpgrade(request, socket, head, peer =>
      peer.on('message', (message, isBinary) => peer.send(message, { binary: isBinary }))
    )
  })
  server.listen(0)
  await once(server, 'listening')
  t.teardown(() => {
    for (const peer of service.clients) peer.terminate()
    server.close()
  })
  return `https://localhost:${(server.address() as AddressInfo).port}`
}

t.test('a service of HTTP/2 over TLS gets handshakes over HTTP/1.1, and all else over HTTP/2', async t => {
  const { url, gateway } = await start(
    t,
    await startService(t, true),
    {},
    { http2: true, tls: { ca } as never }
  )
  for (let i = 0; i < 3; i++) {
    const socket = dial(t, url)
    await once(socket, 'open')
    socket.send(`hello ${i}`)
    t.equal(String((await once(socket, 'message'))[0]), `hello ${i}`)
    t.equal((await call(`${url}/feed/plain`)).text, '2.0')
  }
  t.match(gateway.upstreams[0]?.state().breaker, { state: 'closed', failures: 0 })
})

t.test('a handshake that an HTTP/2 service rejects is rejected with its status', async t => {
  const { url, gateway } = await start(
    t,
    await startService(t, false),
    {},
    { http2: true, tls: { ca } as never }
  )
  for (let i = 0; i < 10; i++) t.match(await refused(dial(t, url)), { status: 403 })
  t.equal(gateway.upstreams[0]?.state().breaker.state, 'closed')
  t.equal((await call(`${url}/feed/plain`)).text, '2.0')
})

t.test('a service without TLS is asked over HTTP/1.1 too', async t => {
  const http1 = createServer()
  const service = new WebSocketServer({ server: http1 })
  service.on('connection', peer => peer.on('message', message => peer.send(String(message))))
  http1.listen(0, '127.0.0.1')
  await once(http1, 'listening')
  t.teardown(() => {
    for (const peer of service.clients) peer.terminate()
    http1.close()
  })
  const { url } = await start(
    t,
    `http://127.0.0.1:${(http1.address() as AddressInfo).port}`,
    {},
    { http2: true }
  )
  const socket = dial(t, url)
  await once(socket, 'open')
  socket.send('hello')
  t.equal(String((await once(socket, 'message'))[0]), 'hello')

  const only = createHttp2((_request, response) => response.end('2.0'))
  only.listen(0, '127.0.0.1')
  await once(only, 'listening')
  t.teardown(() => only.close())
  const other = await start(
    t,
    `http://127.0.0.1:${(only.address() as AddressInfo).port}`,
    {},
    { http2: true }
  )
  t.match(await refused(dial(t, other.url)), { status: 502 }, 'one that speaks nothing else is a 502')
  t.equal((await call(`${other.url}/feed/plain`)).text, '2.0')
})

/** Each takes connections of HTTP/2 alone. */
const onlyHttp2 = {
  'without TLS': (t: Ending) => startFrameService(t, answer).then(({ url }) => url),
  'without TLS, that closes what it does not understand': (t: Ending) =>
    startTcpService(t, socket => void socket.end()),
  'without TLS, that resets it': (t: Ending) => startTcpService(t, socket => void socket.resetAndDestroy()),
  "without TLS, of node's": async (t: Ending) => {
    const server = createHttp2((_request, response) => response.end('2.0')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  },
  'over TLS': async (t: Ending) => {
    const server = createSecureServer(tls, (_request, response) => response.end('2.0')).listen(0)
    await once(server, 'listening')
    t.teardown(() => server.close())
    return `https://localhost:${(server.address() as AddressInfo).port}`
  }
}

function answer(stream: number, socket: Socket): void {
  socket.write(Buffer.concat([headers(stream, { ':status': '200' }), data(stream, '2.0', true)]))
}

for (const [what, startOnlyHttp2] of Object.entries(onlyHttp2))
  t.test(
    `handshakes that a service of HTTP/2 alone cannot take do not count against it: ${what}`,
    async t => {
      const { url, gateway } = await start(
        t,
        await startOnlyHttp2(t),
        {},
        { http2: true, tls: { ca } as never, breaker: { failures: 1 } as never }
      )
      for (let i = 0; i < 3; i++) t.match(await refused(dial(t, url)), { status: 502 })
      t.match(gateway.upstreams[0]?.state().breaker, { state: 'closed', failures: 0 })
      if (!what.includes('that')) t.equal((await call(`${url}/feed/plain`)).text, '2.0')
    }
  )
