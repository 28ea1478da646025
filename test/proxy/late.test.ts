import t from 'tap'
import { ask, startServiceProcess } from '../../bench/faults/processes.ts'
import type { ServiceState } from '../../bench/faults/service.ts'
import { stop } from '../../bench/process.ts'
import { call, startGateway } from '../harness.ts'
import { until } from '../until.ts'
import { forwarding } from './service.ts'

for (const [what, options] of Object.entries({ timeout: { timeout: 1_500 }, deadline: {} }))
  t.test(`a response that arrived while the gateway was blocked is not late: ${what}`, async t => {
    const service = await startServiceProcess({ delay: 500 })
    t.teardown(() => stop(service))
    const { url, gateway } = await startGateway(t, {
      deadline: what === 'deadline' ? 1_500 : 60_000,
      upstreams: { orders: { url: service.url, retry: { attempts: 0 }, ...options } },
      scopes: { orders: { prefix: '/orders', routes: forwarding } }
    })
    const [orders] = gateway.upstreams
    // Opens a connection.
    await call(`${url}/orders/1`)
    const answer = call(`${url}/orders/1`)
    await until(async () => (await ask<ServiceState>(service)).requests === 2)
    // Blocks the gateway, which is this process, until the response has arrived and its time is over.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000)
    t.equal((await answer).status, 200)
    t.match(orders?.state().breaker, { successes: 2, failures: 0 })
  })
