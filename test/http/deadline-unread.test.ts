import { connect } from 'node:net'
import t from 'tap'
import { startGateway } from '../harness.ts'
import { until } from '../until.ts'
import { connectionsOf } from './raw-sockets.ts'

t.test('a response that its client does not read is aborted at the deadline', async t => {
  let isGiven = false
  const { gateway, url } = await startGateway(t, {
    deadline: 200,
    scopes: {
      large: {
        prefix: '/large',
        routes: async app => {
          app.get('/', async () => {
            isGiven = true
            return Buffer.alloc(64 * 1_048_576)
          })
        }
      }
    }
  })
  const client = connect(Number(new URL(url).port), '127.0.0.1').pause()
  client.on('error', () => {})
  t.teardown(() => client.destroy())
  client.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(() => isGiven)
  t.equal(await connectionsOf(gateway), 1)
  await until(async () => (await connectionsOf(gateway)) === 0, 5_000)
  t.notOk(client.readableEnded, 'while it still has what it did not read')
})
