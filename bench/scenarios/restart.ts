import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { quantile, steadily } from '../faults/load.ts'
import { ask, startGatewayProcess, startServiceProcess } from '../faults/processes.ts'
import type { ServiceState } from '../faults/service.ts'
import { ms, type Scene } from './scenario.ts'

/** One of three endpoints is killed and started anew, again and again, in the middle of a steady load. */
export async function restart(
  scene: Scene,
  { rate = 200, times = 3, interval = 500, slack = 250 } = {}
): Promise<void> {
  const services = await Promise.all([1, 2, 3].map(() => scene.start(startServiceProcess())))
  const gateway = await scene.start(
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
  const backAfter: number[] = []
  const load = await steadily(`${gateway.url}/api/small`, rate, restartAll())
  scene.figure('requests', load.sent)
  scene.figure('answers', JSON.stringify(load.results))
  scene.figure(
    'median, p99, slowest',
    [0.5, 0.99, 1].map(share => ms(quantile(load.times, share))).join(', ')
  )
  scene.figure(`back in rotation after (check interval ${interval} ms)`, backAfter.map(ms).join(', '))
  scene.must(load.results['200'] === load.sent, 'some GETs fail')
  scene.must(
    backAfter.length === times && Math.max(...backAfter) <= interval + slack,
    'later than the check interval'
  )

  async function restartAll(): Promise<void> {
    await sleep(2_000)
    for (let i = 0; i < times; i++) {
      const service = services[i % 3] as (typeof services)[number]
      const exit = once(service.child, 'exit')
      service.child.kill('SIGKILL')
      await exit
      await sleep(2_000)
      const anew = await scene.start(startServiceProcess({ port: Number(new URL(service.url).port) }))
      services[i % 3] = anew
      const listensAt = Date.now()
      for (const end = listensAt + 5_000; Date.now() < end; await sleep(20)) {
        const { requests, firstAt } = await ask<ServiceState>(anew)
        if (requests === 0) continue
        backAfter.push(Math.max(0, firstAt - listensAt))
        break
      }
      await sleep(1_000)
    }
  }
}
