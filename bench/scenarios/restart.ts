import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask, startGatewayProcess, startServiceProcess } from '../faults/processes.ts'
import type { ServiceState } from '../faults/service.ts'
import { quantile, sendSteadily } from '../faults/steady-load.ts'
import { formatMs, type Scenario } from './scenario.ts'

/** One of three endpoints is killed and restarted several times under a steady load. */
export async function restart(
  scenario: Scenario,
  { rate = 200, times = 3, interval = 500, slack = 250 } = {}
): Promise<void> {
  const services = await Promise.all([1, 2, 3].map(() => scenario.start(startServiceProcess())))
  const gateway = await scenario.start(
    startGatewayProcess({
      upstreams: {
        api: {
          endpoints: services.map(({ url }) => ({ url })),
          retry: {},
          health: { path: '/healthz', interval, timeout: interval, unhealthy: 1 }
        }
      }
    })
  )
  /** Milliseconds from each restart to the first request. */
  const delays: number[] = []
  const load = await sendSteadily(`${gateway.url}/api/small`, rate, restartAll())
  scenario.report('requests', load.sent)
  scenario.report('responses', JSON.stringify(load.results))
  scenario.report(
    'median, p99, slowest',
    [0.5, 0.99, 1].map(q => formatMs(quantile(load.times, q))).join(', ')
  )
  scenario.report(
    `back in rotation (check interval ${interval} ms)`,
    `after ${delays.map(formatMs).join(', ')}`
  )
  scenario.expect(load.results['200'] === load.sent, 'some GETs fail')
  scenario.expect(
    delays.length === times && Math.max(...delays) <= interval + slack,
    'back in rotation later than the check interval'
  )

  async function restartAll(): Promise<void> {
    await sleep(2_000)
    for (let i = 0; i < times; i++) {
      const service = services[i % 3] as (typeof services)[number]
      const exit = once(service.child, 'exit')
      service.child.kill('SIGKILL')
      await exit
      await sleep(2_000)
      const port = Number(new URL(service.url).port)
      const restarted = await scenario.start(startServiceProcess({ port }))
      services[i % 3] = restarted
      const listensAt = Date.now()
      for (const end = listensAt + 5_000; Date.now() < end; await sleep(20)) {
        const { requests, firstAt } = await ask<ServiceState>(restarted)
        if (requests === 0) continue
        delays.push(Math.max(0, firstAt - listensAt))
        break
      }
      await sleep(1_000)
    }
  }
}
