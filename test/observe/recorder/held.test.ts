import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { createLogger } from '../../../observe/logger.ts'
import { call, startGateway } from '../../../testing.ts'

t.test('an ended exchange is recorded at once, and its large body is not kept', async t => {
  const size = 4_194_304
  const logger = createLogger({ level: 'info', destination: '/dev/null' })
  const { url, gateway } = await startGateway(
    t,
    {
      upstreams: {},
      scopes: {
        large: {
          prefix: '/large',
          routes: async app => void app.get('/:id', async () => Buffer.alloc(size))
        }
      }
    },
    { logger }
  )
  for (let i = 1; i <= 10; i++) {
    await (await fetch(`${url}/large/${i}`)).arrayBuffer()
    t.match(gateway.recorder?.list({ limit: 1 }), [{ url: `/large/${i}` }])
  }
  for (let i = 1; i <= 10; i++) await (await fetch(`${url}/large/${i}`)).arrayBuffer()
  t.ok(await fallsBelow(5 * size))
  t.equal((await call(`${url}/large/1`)).status, 200)
})

t.test('a removed capture does not keep request bodies', async t => {
  const { url, gateway } = await startGateway(
    t,
    {
      upstreams: {},
      scopes: {
        large: {
          prefix: '/large',
          routes: async app => {
            app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, async () => null)
            app.post('/in', async () => 'ok')
          }
        }
      }
    },
    { logger: createLogger({ level: 'info', destination: '/dev/null' }) }
  )
  const headers = { 'content-type': 'application/octet-stream' }
  const body = Buffer.alloc(1_000_000)
  const options = { route: '/large/in', ttl: 60_000, count: 24, body: body.length, upstream: false }
  const capture = gateway.recorder?.captures.start(options)
  for (let i = 0; i < 24; i++)
    t.equal((await call(`${url}/large/in`, { method: 'POST', headers, body })).status, 200)
  t.equal(capture?.exchanges[23]?.requestBody?.content.length, body.length)
  gateway.recorder?.captures.remove(capture?.id as string)
  if (capture) capture.exchanges = []
  t.ok(await fallsBelow(12 * body.length))
})

/** Waits, since the memory of collected buffers is freed some time later. */
async function fallsBelow(bytes: number): Promise<boolean> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  for (let i = 0; i < 50; i++) {
    collect()
    if (process.memoryUsage().arrayBuffers < bytes) return true
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  return false
}
