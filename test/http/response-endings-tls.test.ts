import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import t from 'tap'
import forward from '../../plugins/forward.ts'
import { call, type Ending, startGateway, startTcpService } from '../harness.ts'
import { ca, tls } from '../http2.ts'

/** TLS marks the end of a response by a `close_notify` alert (RFC 9112, 9.8), in records of type 21. */
const ALERT = 21
const HEAD = 'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n'

function start(t: Ending, url: string, listen: object = {}) {
  return startGateway(t, {
    listen,
    upstreams: { service: { url, tls: { ca } } },
    scopes: {
      all: {
        prefix: '/all',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/*', upstream: 'service', prefix: '' })
        }
      }
    }
  })
}

/** Relays bytes between a client and `port`. Returns its port, and the types of the records of the response. */
async function startRelay(t: Ending, port: number) {
  const chunks: Buffer[] = []
  const server = createServer(client => {
    const gateway = connectTcp(port, '127.0.0.1')
    gateway.on('data', (chunk: Buffer) => chunks.push(chunk))
    for (const socket of [client, gateway]) socket.on('error', () => {})
    client.pipe(gateway).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return {
    port: (server.address() as AddressInfo).port,
    records() {
      const bytes = Buffer.concat(chunks)
      const types: (number | undefined)[] = []
      for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) types.push(bytes[at])
      return types
    }
  }
}

t.test('a complete response to an HTTP/1.0 client ends with an alert, an aborted one without', async t => {
  for (const isCut of [false, true]) {
    const service = await startTcpService(t, socket => {
      socket.write(`${HEAD}a`, () => (isCut ? socket.resetAndDestroy() : socket.end()))
    })
    const { url } = await start(t, service, { tls })
    const relay = await startRelay(t, Number(new URL(url).port))
    // TLS 1.3 encrypts the record type.
    const socket = connectTls({
      port: relay.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca,
      maxVersion: 'TLSv1.2'
    })
    socket.on('error', () => {})
    socket.write('GET /all/ HTTP/1.0\r\nHost: localhost\r\n\r\n')
    socket.resume()
    await once(socket, 'close')
    t.equal(relay.records().at(-1) === ALERT, !isCut)
  }
})

t.test('Node does not report whether a service ended with an alert (docs/decisions/0028)', async t => {
  const raw = new Set<Socket>()
  const service = createTlsServer(tls, socket => {
    socket.on('error', () => {})
    socket.once('data', () =>
      socket.write(`${HEAD}a`, () => {
        for (const one of raw) one.destroySoon()
      })
    )
  })
  service.on('connection', (socket: Socket) => raw.add(socket))
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  t.teardown(() => service.close())
  const { url } = await start(t, `https://localhost:${(service.address() as AddressInfo).port}`)
  const { status } = await call(`${url}/all/`)
  // If this fails because the response is aborted, Node has been fixed.
  t.equal(status, 200)
})
