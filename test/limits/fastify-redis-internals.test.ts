import Fastify from 'fastify'
import { Redis } from 'ioredis'
import t from 'tap'
import { decorateClient } from '../../limits/fastify-redis-internals.ts'

t.test('a client without a connection is decorated at once and keeps its status', async t => {
  const client = new Redis({ lazyConnect: true })
  const app = Fastify()
  decorateClient(app, client)
  t.equal(app.redis, client)
  t.equal(client.status, 'wait')
  await app.ready()
  await app.close()
  t.equal(client.status, 'wait', 'the app does not end a client that it did not create')
})
