import { setImmediate } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import redis from '../../plugins/redis.ts'
import { startRedis } from '../../testing/redis-server.ts'

t.test('fastify.redis is connected after the start and disconnected with the gateway', async t => {
  const { url } = await startRedis(t)
  const app = await startApp(t, url)
  t.equal(await app.redis.ping(), 'PONG')
  const ended = emitted(app, 'end')
  await app.close()
  await ended
  await t.rejects(app.redis.ping())
})

// By default, ioredis queues commands until Redis is back.
t.test('a command to a Redis that is stopped fails at once', async t => {
  const server = await startRedis(t)
  const app = await startApp(t, server.url)
  const lost = emitted(app, 'reconnecting')
  await server.stop()
  await lost
  let isOver = false
  app.redis.ping().catch(() => {
    isOver = true
  })
  await setImmediate()
  t.ok(isOver)
  const ready = emitted(app, 'ready')
  await server.start()
  await ready
  t.equal(await app.redis.ping(), 'PONG')
})

t.test('a command to a Redis that hangs fails and closes the connection', async t => {
  const server = await startRedis(t)
  const app = await startApp(t, server.url)
  server.pause()
  await Promise.all([emitted(app, 'close'), t.rejects(within(8_000, app.redis.ping()), /./)])
  const ready = emitted(app, 'ready')
  server.resume()
  await ready
  t.equal(await app.redis.ping(), 'PONG')
})

for (const [what, url] of [
  ['nobody listens', 'redis://127.0.0.1:1'],
  ['there is no such host', 'redis://nowhere.invalid']
] as const) {
  t.test(`a gateway starts and ends where ${what}`, async t => {
    const app = await startApp(t, url)
    await t.rejects(within(1_000, app.redis.ping()), /./)
    await within(1_000, app.close())
  })
}

async function startApp(t: Test, url: string) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(redis, { url, timeout: 50 })
  await within(5_000, app.ready())
  return app
}

/** Ignores errors, with which `once` would reject. */
function emitted(app: FastifyInstance, event: string): Promise<void> {
  return new Promise(resolve => app.redis.once(event, resolve))
}

async function within<Value>(ms: number, promise: PromiseLike<Value>): Promise<Value> {
  const began = performance.now()
  try {
    return await promise
  } finally {
    const took = performance.now() - began
    if (took > ms) t.fail(`took ${took} ms`)
  }
}
