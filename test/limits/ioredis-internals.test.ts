import { lookup } from 'node:dns'
import type { Socket } from 'node:net'
import { Redis } from 'ioredis'
import t from 'tap'
import {
  createConnector,
  inOnePiece,
  isNotConnected,
  isSelectError,
  limitReplies
} from '../../limits/ioredis-internals.ts'
import { startRedis } from '../../testing/redis-server.ts'

/** Contract of limits/ioredis-internals.ts with the installed ioredis, tested with a real Redis. */

t.test('the connector resolves names by the given function and connects', async t => {
  const { url } = await startRedis(t)
  const names: string[] = []
  const Connector = createConnector((hostname, options, callback) => {
    names.push(hostname)
    lookup(hostname, options, callback)
  })
  const client = new Redis(url.replace('127.0.0.1', 'localhost'), { Connector, lazyConnect: true, family: 4 })
  t.teardown(() => client.disconnect())
  await client.connect()
  t.equal(await client.ping(), 'PONG')
  t.strictSame(names, ['localhost'])
})

t.test('the first error of a connector is the reason for a failed connection', async t => {
  const Connector = createConnector((_hostname, _options, callback) =>
    callback(Object.assign(new Error('no such host'), { code: 'ENOTFOUND' }), '')
  )
  const client = new Redis('redis://redis.invalid', {
    Connector,
    lazyConnect: true,
    retryStrategy: () => null
  })
  const errors: Error[] = []
  client.on('error', error => errors.push(error))
  await t.rejects(client.connect())
  t.match(errors, [{ code: 'ENOTFOUND' }])
})

t.test('a command without a connection is recognized by its message', async t => {
  const client = new Redis({ lazyConnect: true, enableOfflineQueue: false, maxRetriesPerRequest: 0 })
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  const error = await client.get('a').catch((error: Error) => error)
  t.ok(error instanceof Error && isNotConnected(error), String(error))
})

t.test('an error of SELECT is recognized by its command', async t => {
  const { url } = await startRedis(t)
  const client = new Redis(`${url}/9999`, { lazyConnect: true, retryStrategy: () => null })
  t.teardown(() => client.disconnect())
  const failed = new Promise<Error>(resolve => client.on('error', resolve))
  client.connect().catch(() => {})
  t.ok(isSelectError(await failed))
})

t.test('a large reply closes the connection, and many small replies do not', async t => {
  const { url } = await startRedis(t)
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 0 })
  const errors: Error[] = []
  client.on('error', error => errors.push(error))
  client.on('connect', () => limitReplies(client))
  t.teardown(() => client.disconnect())
  await client.connect()
  const mebibyte = 'x'.repeat(1_048_576)
  for (let n = 0; n < 12; n++) t.equal((await client.echo(mebibyte)).length, mebibyte.length)
  t.strictSame(errors, [])
  await client.set('large', mebibyte.repeat(9))
  await t.rejects(client.get('large'))
  t.match(errors, [{ message: 'an unexpected reply: too large' }])
})

t.test('commands are written in one piece, and each gets its own reply', async t => {
  const { url } = await startRedis(t)
  const client = new Redis(url, { lazyConnect: true })
  t.teardown(() => client.disconnect())
  await client.connect()
  const { stream } = client as unknown as { stream: Socket }
  const pieces: number[] = []
  const write = stream._writev?.bind(stream) as NonNullable<Socket['_writev']>
  stream._writev = (chunks, callback) => {
    pieces.push(chunks.length)
    write(chunks, callback)
  }
  let replies: Promise<unknown[]> | undefined
  inOnePiece(client, () => {
    replies = Promise.all(
      [client.echo('a'), client.call('HGET', 'b'), client.echo('c')].map(each => each.catch(String))
    )
  })
  t.match(await replies, ['a', /ERR wrong number of arguments/, 'c'])
  t.strictSame(pieces, [3])
})

t.test('commands in one piece without a connection fail each', async t => {
  const client = new Redis({ lazyConnect: true, enableOfflineQueue: false, maxRetriesPerRequest: 0 })
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  let failed: Promise<unknown> | undefined
  inOnePiece(client, () => {
    failed = client.echo('a').catch((error: Error) => error)
  })
  t.ok(((await failed) as Error).message)
})
