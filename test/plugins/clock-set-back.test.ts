import type { FastifyInstance } from 'fastify'
import t from 'tap'
import Type from 'typebox'
import { createClusterCaptures } from '../../cluster/cluster-captures.ts'
import type { CaptureOptions } from '../../observe/recorder/captures.ts'
import { createCaptures } from '../../observe/recorder/captures.ts'
import compose from '../../plugins/compose.ts'
import { call, startGateway, startService } from '../harness.ts'
import { until } from '../until.ts'

/** Intervals do not last longer when the wall clock is set back by an hour. */

const { now } = Date
const setBack = () => {
  Date.now = () => now() - 3_600_000
}
t.afterEach(() => {
  Date.now = now
})

t.test('a cached part expires in time', async t => {
  let calls = 0
  const service = await startService(t, (_request, response) => {
    calls++
    response.setHeader('content-type', 'application/json').end('{}')
  })
  const Any = Type.Object({})
  const routes = async (app: FastifyInstance) => {
    await app.register(compose)
    app.compose({
      url: '/',
      response: Any,
      parts: {
        part: {
          upstream: 'things',
          upstreamResponse: Any,
          path: () => '/',
          cache: { ttl: 100, shared: true }
        }
      },
      toClient: () => ({})
    })
  }
  const { url } = await startGateway(t, {
    upstreams: { things: { url: service } },
    scopes: { x: { prefix: '/x', routes } }
  })
  await call(`${url}/x`)
  setBack()
  await until(async () => {
    await call(`${url}/x`)
    return calls > 1
  }, 5_000)
  t.equal(calls, 2)
})

const options: CaptureOptions = { consumer: 'ada', ttl: 1_000, count: 1, body: 0, upstream: false }

t.test('a capture ends in time, in one worker and in all', async t => {
  const inOne = createCaptures(1_000, Date.now)
  const inAll = createClusterCaptures({ workers: () => [] })
  const capture = inOne.start(options)
  await inAll.start(options)
  t.teardown(() => inOne.close())
  setBack()
  await until(() => inOne.list()[0]?.state === 'expired', 5_000)
  await until(() => inAll.list()[0]?.state === 'expired', 5_000)
  t.equal(capture?.state, 'expired')
})
