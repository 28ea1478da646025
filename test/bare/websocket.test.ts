import { once } from 'node:events'
import Fastify, { type FastifyInstance } from 'fastify'
import { problem, upstreams, websocket } from 'sluice'
import t from 'tap'
import { WebSocket } from 'ws'
import { call, type Ending } from '../harness.ts'
import { startEcho } from '../proxy/websocket/echo.ts'
import { listen } from './app.ts'

t.test('frames pass in both directions, and close() closes the connections', async t => {
  const { app, url } = await startApp(t)
  const socket = new WebSocket(`${url}/chat/live`)
  await once(socket, 'open')
  socket.send('hello')
  t.equal(String((await once(socket, 'message'))[0]), 'hello')
  const closed = once(socket, 'close')
  await app.close()
  t.equal((await closed)[0], 1001)
})

t.test('a rejected handshake is an error of the app, with any error handler', async t => {
  const handlers: [name: string, before: (app: FastifyInstance) => unknown, type: RegExp, body: object][] = [
    ["Fastify's own", () => {}, /^application\/json/, { statusCode: 426, code: 'SLUICE_UPGRADE_REQUIRED' }],
    [
      'problem',
      app => app.register(problem),
      /^application\/problem/,
      { type: 'urn:sluice:upgrade-required' }
    ]
  ]
  for (const [name, before, type, body] of handlers) {
    const { url } = await startApp(t, before)
    const answer = await call(`${url}/chat/live`)
    t.match(answer.headers.get('content-type'), type, name)
    t.match(answer.json, body, name)

    const other = new WebSocket(`${url}/chat/live`, { origin: 'https://other.example' })
    other.on('error', () => {})
    const [, response] = await once(other, 'unexpected-response')
    t.equal(response.statusCode, 403, name)
    other.terminate()
  }
})

t.test('other routes of the app ignore an upgrade', async t => {
  const { url } = await startApp(t, app => app.get('/own', async () => 'own'))
  const socket = new WebSocket(`${url}/own`)
  socket.on('error', () => {})
  const [, response] = await once(socket, 'unexpected-response')
  t.equal(response.statusCode, 200)
  socket.terminate()
})

t.test('websocket reports missing upstreams and wrong options at start', async t => {
  await t.rejects(async () => Fastify().register(websocket), { message: /^websocket needs upstreams: / })
  const app = Fastify()
  await app.register(upstreams, { upstreams: { chat: { url: 'http://127.0.0.1:1' } } })
  await app.register(websocket)
  const route = { url: '/live', upstream: 'chat', prefix: '' }
  t.throws(() => app.websocket({ ...route, maxMessage: 0 }), {
    message: /^websocket \/live: \/maxMessage must/
  })
  t.throws(() => app.websocket({ ...route, upstream: 'chats' }), {
    message: /^GET \/live: no upstream is named 'chats'/
  })
  app.websocket(route)
  app.server.on('upgrade', () => {})
  await t.rejects(async () => app.ready(), {
    message: /^websocket needs the upgrade event of the server for itself/
  })
})

async function startApp(t: Ending, before: (app: FastifyInstance) => unknown = () => {}) {
  const service = await startEcho(t)
  const app: FastifyInstance = Fastify()
  await before(app)
  await app.register(upstreams, { upstreams: { chat: { url: service.url } } })
  await app.register(
    async scope => {
      await scope.register(websocket)
      scope.websocket({ url: '/live', upstream: 'chat', prefix: '/rooms' })
    },
    { prefix: '/chat' }
  )
  return { app, url: await listen(t, app) }
}
