import { once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import pino from 'pino'
import t from 'tap'
import { WebSocket } from 'ws'
import { resolveConfig } from '../../../config/resolve-config.ts'
import { buildGateway } from '../../../gateway.ts'
import { startTokens } from '../../../testing.ts'
import { ca, tls } from '../../http2.ts'
import { until } from '../../until.ts'
import { closeOf, dial, start, startEcho } from './echo.ts'

t.test('messages pass as they are, of text and bytes, both ways', async t => {
  const { url: service, requests } = await startEcho(t, { handleProtocols: () => 'chat.v2' })
  const { url } = await start(t, service)
  const socket = dial(t, url, ['chat.v1', 'chat.v2'], {
    headers: { 'x-forwarded-for': '9.9.9.9', authorization: 'Bearer x' }
  })
  await once(socket, 'open')
  t.equal(socket.protocol, 'chat.v2')
  t.equal(socket.extensions, '')
  t.match(requests[0], {
    url: '/socket/live?q=%20',
    headers: {
      'x-forwarded-for': '127.0.0.1',
      via: '1.1 sluice',
      authorization: 'Bearer x',
      'sec-websocket-extensions': undefined
    }
  })
  for (const message of ['hello', Buffer.from([0, 1, 255]), '', 'ü'.repeat(70_000)]) {
    socket.send(message)
    const [data, isBinary] = await once(socket, 'message')
    t.ok(Buffer.from(message).equals(data as Buffer))
    t.equal(isBinary, typeof message !== 'string')
  }
  socket.send('in ', { fin: false })
  socket.send('parts', { fin: true })
  t.equal(String((await once(socket, 'message'))[0]), 'in parts')
  socket.ping('are you there')
  t.equal(String((await once(socket, 'pong'))[0]), 'are you there')
})

t.test('over TLS, beside HTTP/2', async t => {
  const { url: service } = await startEcho(t)
  const { url } = await start(t, service, {}, { listen: { tls, http2: true } })
  const socket = dial(t, url.replace('127.0.0.1', 'localhost'), [], { ca })
  await once(socket, 'open')
  socket.send('hello')
  t.equal(String((await once(socket, 'message'))[0]), 'hello')
})

t.test('either side closes, with its code', async t => {
  const { url: service, closes } = await startEcho(t)
  const { url } = await start(t, service)
  const leaving = dial(t, url)
  await once(leaving, 'open')
  leaving.close(4_001, 'enough')
  t.equal(await closeOf(leaving), 4_001)
  await until(() => closes.length === 1)
  const left = dial(t, url)
  await once(left, 'open')
  left.send('leave')
  const [code, reason] = await once(left, 'close')
  t.equal(code, 4_002)
  t.equal(String(reason), 'as asked')
  await until(() => closes.length === 2)
  t.same(closes, [4_001, 4_002])
})

t.test('a side that is gone takes the other with it', async t => {
  const { url: service, closes } = await startEcho(t)
  const { url } = await start(t, service)
  const gone = dial(t, url)
  await once(gone, 'open')
  gone.terminate()
  await until(() => closes.length === 1)
  t.same(closes, [1_006])
  const left = dial(t, url)
  await once(left, 'open')
  left.send('break')
  t.equal(await closeOf(left), 1_006)
})

t.test('a message beyond the limit does not reach the service', async t => {
  const { url: service, closes } = await startEcho(t)
  const { url } = await start(t, service, { maxMessage: 1_000 })
  const socket = dial(t, url)
  await once(socket, 'open')
  socket.send('x'.repeat(1_000))
  t.equal((await once(socket, 'message'))[0].length, 1_000)
  socket.send('x'.repeat(1_001))
  t.equal(await closeOf(socket), 1_009)
  await until(() => closes.length === 1)
  t.same(closes, [1_001])
})

t.test('a connection outlives the deadline, but not its silence', async t => {
  const { url: service, closes } = await startEcho(t)
  const { url } = await start(t, service, { config: { deadline: 300 }, idleTimeout: 600 })
  const socket = dial(t, url)
  await once(socket, 'open')
  const closed = closeOf(socket)
  for (let i = 0; i < 5; i++) {
    await new Promise(resolve => setTimeout(resolve, 100))
    socket.send('on')
    await once(socket, 'message')
  }
  t.equal(await closed, 1_001)
  await until(() => closes.length === 1)
  t.same(closes, [1_001])
})

t.test('a connection ends with its token, unless its route lets it go on', async t => {
  const { url: service, requests, closes } = await startEcho(t)
  const tokens = await startTokens(t)
  const lines: string[] = []
  const config = resolveConfig(
    {
      default: {
        upstreams: { products: { url: service } },
        issuers: { shop: { ...tokens.options, clockTolerance: 0 } },
        scopes: {
          feed: {
            prefix: '/feed',
            jwt: 'shop',
            routes: async (app: FastifyInstance) => {
              app.websocket({ url: '/live', upstream: 'products', prefix: '/ends' })
              app.websocket({ url: '/on', upstream: 'products', prefix: '/on', closeAtExpiry: false })
            }
          }
        }
      }
    },
    {}
  )
  const gateway = await buildGateway(
    config,
    pino({ level: 'info' }, { write: line => void lines.push(line) })
  )
  t.teardown(() => gateway.close())
  const url = await gateway.listen({ port: 0, host: '127.0.0.1' })
  const exp = Math.floor(Date.now() / 1000) + 2
  const open = async (path: string, exp: number) => {
    const headers = { authorization: `Bearer ${tokens.token({ exp })}` }
    const socket = new WebSocket(`${url.replace('http', 'ws')}/feed/${path}`, { headers })
    t.teardown(() => socket.terminate())
    await once(socket, 'open')
    return socket
  }
  // In no order; the second time the token is known already.
  const later = await open('live', exp + 300)
  const first = await open('live', exp)
  const second = await open('live', exp)
  const on = await open('on', exp)
  t.equal(requests.length, 4)

  const [[code, reason]] = await Promise.all([once(first, 'close'), once(second, 'close')])
  t.equal(code, 1008)
  t.equal(String(reason), 'Token expired')
  t.ok(Date.now() >= exp * 1000)
  await until(() => closes.length === 2)
  t.same(closes, [1001, 1001])
  await until(() => lines.filter(line => /"code":1008.*"websocket closed"/.test(line)).length === 2)
  for (const socket of [later, on]) {
    socket.send('still here')
    t.equal(String((await once(socket, 'message'))[0]), 'still here')
  }
})

t.test('a slow reader holds up the service, not the memory of the gateway', async t => {
  const { url: service, service: server } = await startEcho(t)
  const { url } = await start(t, service)
  const socket = dial(t, url)
  await once(socket, 'open')
  const [peer] = [...server.clients] as [WebSocket]
  socket.pause()
  let total = 0
  const chunk = Buffer.alloc(65_536)
  const sent = () => total - peer.bufferedAmount
  for (; total < 64 * 1_048_576; total += chunk.length) peer.send(chunk)
  let before = -1
  while (before !== sent()) {
    before = sent()
    await new Promise(resolve => setTimeout(resolve, 300))
  }
  t.ok(sent() < 32 * 1_048_576, `${sent()} bytes were taken from the service`)
  let received = 0
  socket.on('message', data => {
    received += (data as Buffer).length
  })
  socket.resume()
  await until(() => received === total)
  t.pass('and all of it arrives')
})

t.test('when the gateway stops, both sides are told, and it does not wait for them', async t => {
  const { url: service, closes } = await startEcho(t)
  const config = resolveConfig(
    {
      default: {
        log: { level: 'silent' },
        upstreams: { products: { url: service } },
        scopes: {
          feed: {
            prefix: '/feed',
            routes: async (app: FastifyInstance) => {
              app.websocket({ url: '/live', upstream: 'products', prefix: '/socket' })
            }
          }
        }
      }
    },
    {}
  )
  const gateway = await buildGateway(config)
  const socket = dial(t, await gateway.listen({ port: 0, host: '127.0.0.1' }))
  await once(socket, 'open')
  const code = closeOf(socket)
  await gateway.close()
  t.equal(await code, 1_001)
  await until(() => closes.length === 1)
  t.same(closes, [1_001])
})
