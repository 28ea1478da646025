import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { startEcho } from '../http/echo.ts'
import { Client, startRecorder, until } from '../http/raw-sockets.ts'
import { ca, tls } from '../http2.ts'

/** Which connections count together, and from when. test/http/limits.test.ts tests connections beyond the limits. */
const GET = 'GET /echo/x HTTP/1.1\r\nHost: g.example\r\n\r\n'

t.test('the addresses of an IPv6 /64 count as one; IPv4-mapped addresses count separately', async t => {
  const service = await startRecorder(t)
  const { gateway } = await startEcho(t, service.url, { http: { maxConnectionsPerAddress: 1 } })
  // In front, for the connections to be from where the test says.
  let from = ''
  const front = createServer(socket => {
    Object.defineProperty(socket, 'remoteAddress', { value: from })
    gateway.server.emit('connection', socket)
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  t.teardown(() => front.close())
  const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`
  for (const [address, status] of [
    ['2001:db8:1:1::1', 200],
    ['2001:db8:1:1:ffff::2', 503],
    ['2001:db8:1:2::1', 200],
    ['::ffff:192.0.2.1', 200],
    ['::ffff:192.0.2.2', 200],
    ['192.0.2.1', 503]
  ] as const) {
    from = address
    const client = new Client(url).write(GET, 'GET')
    t.teardown(() => client.end())
    t.equal((await client.response()).status, status, address)
  }
})

t.test('with TLS a connection counts before its handshake', async t => {
  const service = await startRecorder(t)
  for (const http2 of [false, true]) {
    const { url } = await startEcho(t, service.url, {
      http: { maxConnectionsPerAddress: 2 },
      listen: { tls, http2 }
    })
    const port = Number(new URL(url).port)
    const silent = [1, 2].map(() => connect(port, '127.0.0.1').on('error', () => {}))
    await Promise.all(silent.map(socket => once(socket, 'connect')))
    t.notOk(await handshake(port), 'there is no handshake')
    silent[0]?.destroy()
    await until(() => handshake(port), 'the place of one that has left')
    silent[1]?.destroy()
  }
})

/** False if the connection is closed instead. */
function handshake(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connectTls({ port, host: '127.0.0.1', ca, servername: 'localhost' })
    socket.on('error', () => {})
    socket.on('close', () => resolve(false))
    socket.on('secureConnect', () => {
      resolve(true)
      socket.destroy()
    })
  })
}
