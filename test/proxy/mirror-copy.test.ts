import type { ServerResponse } from 'node:http'
import t from 'tap'
import Type from 'typebox'
import compose from '../../plugins/compose.ts'
import { call, closedPort, startGateway, startService } from '../harness.ts'
import { exchange, startSession, tls } from '../http2.ts'
import { until } from '../until.ts'
import { forwarding } from './service.ts'

t.test('rejected and cancelled calls are not mirrored', async t => {
  const waiting: ServerResponse[] = []
  let copies = 0
  const service = await startService(t, (request, response) => {
    if (request.url?.endsWith('/fail')) response.writeHead(500).end()
    else waiting.push(response)
  })
  const next = await startService(t, (_request, response) => {
    copies++
    response.end()
  })
  for (const [fallback, name] of [
    [undefined, 'a refusal'],
    [{ body: {} }, 'a fallback']
  ] as const) {
    const { url, gateway } = await startGateway(t, {
      listen: { tls, http2: true },
      upstreams: {
        orders: {
          url: service,
          ...(fallback && { fallback }),
          retry: { attempts: 0 },
          concurrency: { max: 1, queue: 0 },
          breaker: { failures: 1 },
          mirror: { to: 'next' }
        },
        next: { url: next }
      },
      scopes: { orders: { prefix: '/orders', routes: forwarding } }
    })
    const session = await startSession(t, url)
    const mirror = () => gateway.upstream('orders').state().mirror
    copies = 0
    const stream = session.request({ ':path': '/orders/slow' }).on('error', () => {})
    await until(() => waiting.length === 1)
    t.equal((await exchange(session, { ':path': '/orders/slow' })).status, 503, 'overloaded')
    stream.close(8)
    await until(() => mirror()?.dropped === 2)
    // Calls with a response are mirrored, also failures.
    t.equal((await exchange(session, { ':path': '/orders/fail' })).status, 500)
    await until(() => mirror()?.sent === 1 && copies === 1)
    t.equal(
      (await exchange(session, { ':path': '/orders/1' })).status,
      fallback ? 200 : 503,
      'the breaker is open'
    )
    await until(() => mirror()?.dropped === 3)
    t.match(mirror(), { sent: 1, dropped: 3 }, name)
    t.equal(copies, 1)
    waiting.length = 0
  }
})

t.test('responses of mirrored requests do not affect the client', async t => {
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
          one: { upstream, required: true, upstreamResponse: Answer, path: () => '/' },
          other: {
            upstream,
            required: true,
            upstreamResponse: Answer,
            path: () => '/slow'
          }
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
