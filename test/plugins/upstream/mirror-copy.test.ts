import type { IncomingMessage, ServerResponse } from 'node:http'
import t from 'tap'
import Type from 'typebox'
import compose from '../../../plugins/compose.ts'
import { call, closedPort, startGateway, startService } from '../../harness.ts'
import { startSession, tls } from '../../http2.ts'
import { until } from '../../until.ts'
import { forwarding } from './service.ts'

t.test('a call whose HTTP/2 client has left is copied to the endpoint that anybody would have', async t => {
  const waiting: ServerResponse[] = []
  const service = await startService(t, (_request, response) => void waiting.push(response))
  const copies: IncomingMessage[] = []
  const [one, other] = await Promise.all(
    [1, 2].map(() =>
      startService(t, (request, response) => {
        copies.push(request)
        response.end()
      })
    )
  )
  const { url, gateway } = await startGateway(t, {
    listen: { tls, http2: true },
    upstreams: {
      orders: { url: service, mirror: { to: 'next' } },
      next: { endpoints: [{ url: one as string }, { url: other as string }], balance: { policy: 'hash' } }
    },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  const session = await startSession(t, url)
  const stream = session.request({ ':path': '/orders/1' }).on('error', () => {})
  await until(() => waiting.length === 1)
  stream.close(8)
  await until(() => copies.length === 1)
  await until(() => gateway.upstream('next' as never).state().calls.running === 0)
  t.match(gateway.upstream('orders').state().mirror, { sent: 1, failed: 0 })
})

t.test('nothing that a copy gets is told to the client', async t => {
  const waiting: ServerResponse[] = []
  const service = await startService(t, (request, response) => {
    if (request.url === '/slow') waiting.push(response)
    else response.end('{"id":1}')
  })
  const copy = await startService(t, (_request, response) => response.end())
  const Answer = Type.Object({ id: Type.Number() })
  const routes = async (app: import('fastify').FastifyInstance) => {
    await app.register(compose)
    for (const upstream of ['fallen', 'bound'])
      app.compose({
        url: `/${upstream}`,
        response: Type.Object({ one: Answer, other: Answer }),
        parts: {
          one: { upstream: upstream as never, required: true, answer: Answer, path: () => '/' },
          other: { upstream: upstream as never, required: true, answer: Answer, path: () => '/slow' }
        },
        toClient: parts => parts
      })
  }
  const { url, gateway } = await startGateway(t, {
    upstreams: {
      fallen: { url: service, mirror: { to: 'down' } },
      bound: { url: service, mirror: { to: 'sticky' } },
      down: { url: await closedPort(), breaker: { failures: 1 }, fallback: { body: {} } },
      sticky: {
        endpoints: [{ url: copy }, { url: `${copy}/other` }],
        balance: { sticky: { key: 'k'.repeat(32) } }
      }
    },
    scopes: { all: { prefix: '/all', routes } }
  })
  for (const upstream of ['fallen', 'fallen', 'bound']) {
    const copiesOf = () => gateway.upstream(upstream as never).state().mirror?.sent ?? 0
    const before = copiesOf()
    const answered = call(`${url}/all/${upstream}`)
    await until(() => waiting.length === 1 && copiesOf() === before + 1)
    waiting.pop()?.end('{"id":2}')
    const { status, headers } = await answered
    t.equal(status, 200)
    t.equal(headers.get('sluice-fallback'), null)
    t.same(headers.getSetCookie(), [])
    await until(() => copiesOf() === before + 2)
  }
  t.match(gateway.upstream('down' as never).state().breaker, { state: 'open' })
})
