import t from 'tap'
import type { Upstream } from '../../proxy/upstream-types.ts'
import { call, closedPort, startGateway, startService } from '../harness.ts'
import { forwarding } from './service.ts'

t.test('an endpoint that refuses connections fails no call, also under load', async t => {
  const well = await startService(t, (request, response) =>
    request.resume().on('end', () => response.end('well'))
  )
  const { url, gateway } = await startGateway(t, {
    upstreams: {
      orders: {
        endpoints: [{ url: await closedPort() }, { url: well }],
        balance: { policy: 'round-robin' },
        // No ejection, so that it keeps getting calls.
        ejection: { maxRatio: 0 }
      }
    },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      call(`${url}/orders/`, i % 2 === 0 ? {} : { method: 'POST', body: 'an order' })
    )
  )
  t.strictSame([...new Set(answers.map(({ status }) => status))], [200])
  const [upstream] = gateway.upstreams as [Upstream]
  const { breaker, calls } = upstream.state()
  t.match({ breaker, calls }, { breaker: { state: 'closed', failures: 0 }, calls: { exhausted: 0 } })
  t.ok(calls.retries > 10)
})
