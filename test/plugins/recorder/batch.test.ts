import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { createLogger } from '../../../plugins/log.ts'
import { call, startGateway } from '../../../testing.ts'

t.test('what waits to be recorded is there for who asks, and holds no large answer', async t => {
  const size = 4_194_304
  const logger = createLogger('info', '/dev/null')
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
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  await new Promise(resolve => setTimeout(resolve, 50))
  collect()
  const { arrayBuffers } = process.memoryUsage()
  t.ok(arrayBuffers < 5 * size, `${arrayBuffers} bytes`)
  t.equal((await call(`${url}/large/1`)).status, 200)
})
