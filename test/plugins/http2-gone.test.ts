import t from 'tap'
import forward from '../../plugins/forward.ts'
import { startGateway, startService } from '../harness.ts'
import { startSession, tls } from '../http2.ts'
import { until } from '../until.ts'

t.test('a client that disconnects before its request is forwarded causes no gateway error', async t => {
  const errors: (Error & { code?: string })[] = []
  let hasCome = false
  let isGone = false
  let calls = 0
  const service = await startService(t, (_request, response) => {
    calls++
    response.end()
  })
  const routes = async (app: import('fastify').FastifyInstance) => {
    app.addHook('onRequest', async request => {
      request.raw.on('close', () => {
        isGone = true
      })
      hasCome = true
      await until(() => isGone)
    })
    app.addHook('onError', async (_request, _reply, error) => void errors.push(error))
    await app.register(forward)
    app.forward({ method: 'GET', url: '/', upstream: 'orders', prefix: '' })
  }
  const { url } = await startGateway(t, {
    listen: { tls, http2: true },
    upstreams: { orders: { url: service } },
    scopes: { orders: { prefix: '/orders', routes } }
  })
  const session = await startSession(t, url)
  const stream = session.request({ ':path': '/orders' }).on('error', () => {})
  await until(() => hasCome)
  stream.close(8)
  await until(() => errors.length > 0)
  t.same(
    errors.map(({ code }) => code),
    ['SLUICE_CLIENT_CLOSED_REQUEST']
  )
  t.equal(calls, 0)
})
