import Fastify from 'fastify'
import { redis } from 'sluice'
import t from 'tap'
import { startRedis } from '../../testing/redis-server.ts'
import { closedPort } from '../harness.ts'

t.test('redis decorates a bare app with a client, and an app without Redis starts all the same', async t => {
  const server = await startRedis(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(redis, { url: server.url })
  await app.ready()
  await app.redis.set('bare', '1')
  t.equal(await app.redis.get('bare'), '1')

  const without = Fastify()
  t.teardown(() => without.close())
  await without.register(redis, { url: (await closedPort()).replace('http', 'redis') })
  await without.ready()
  await t.rejects(without.redis.get('bare'))
})

t.test('redis reports all faults of its options at once, without the URL', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const options = { url: 'http://:secret@localhost', timeout: 0, tls: {} }
  const { message } = await app.register(redis, options as never).then(
    () => new Error('no fault'),
    (error: Error) => error
  )
  t.match(message, /^redis: .*\/url must be a URL that begins with redis:/)
  t.match(message, /\/timeout /)
  t.match(message, /\/tls is not known/)
  t.notMatch(message, /secret/)
})
