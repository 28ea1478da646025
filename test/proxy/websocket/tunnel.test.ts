import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import { createTunnel, type TunnelEnd } from '../../../proxy/websocket/tunnel.ts'

t.test('a tunnel to a side that has left already ends, and ends the other', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const pair = async () => {
    const near = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const [far] = (await once(server, 'connection')) as [Socket]
    near.on('error', () => {})
    far.on('error', () => {})
    return { near, far }
  }
  const client = await pair()
  const service = await pair()
  service.near.destroy()
  await once(service.near, 'close')
  client.far.resume().on('end', () => client.far.end())
  const end = await new Promise<TunnelEnd>(resolve =>
    createTunnel(client.near, service.near, { maxMessage: 100, idleTimeout: 1_000_000 }, resolve)
  )
  t.match(end, { code: 1006, bytesReceived: 0, bytesSent: 0 })
  t.ok(client.near.destroyed)
  service.far.destroy()
})
