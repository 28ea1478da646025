import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import Fastify from 'fastify'
import { connectionLimits } from 'sluice'
import t from 'tap'
import { call } from '../harness.ts'
import { listen } from './app.ts'

t.test('connectionLimits rejects one connection too many in a bare app', async t => {
  const app = Fastify()
  await app.register(connectionLimits, { maxConnectionsPerAddress: 2 })
  app.get('/', async () => 'hello')
  const url = await listen(t, app)
  const port = Number(new URL(url).port)
  const held = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  await Promise.all(held.map(socket => once(socket, 'connect')))
  t.match(await text(connect(port, '127.0.0.1')), /^HTTP\/1.1 503 [\s\S]*Retry-After: 1/)
  for (const socket of held) socket.destroy()
  await Promise.all(held.map(socket => once(socket, 'close')))
  let response = await call(url).catch(() => undefined)
  while (response?.status !== 200) response = await call(url).catch(() => undefined)
  t.equal(response.text, 'hello')
})

t.test('connectionLimits rejects options of serverOptions()', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(Promise.resolve(app.register(connectionLimits, { maxHeaderSize: 1 } as never)), {
    message: /connectionLimits: \/maxHeaderSize is not known/
  })
})

t.test('connectionLimits is registered once', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(connectionLimits)
  await t.rejects(Promise.resolve(app.register(async scope => scope.register(connectionLimits))), {
    message: 'connectionLimits: register it once, on the app itself'
  })
})
