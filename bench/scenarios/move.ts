import { setTimeout as sleep } from 'node:timers/promises'
import { a, startDns } from '../../test/dns-server.ts'
import { until } from '../../test/until.ts'
import { quantile, steadily } from '../faults/load.ts'
import { ask, startGatewayProcess, startServiceProcess } from '../faults/processes.ts'
import type { ServiceState } from '../faults/service.ts'
import { ms, type Scene } from './scenario.ts'

/** A name comes to stand for another address (127.0.0.2, which Linux has), in the middle of a steady load. */
export async function move(scene: Scene, { rate = 200, refresh = 1_000, slack = 250 } = {}): Promise<void> {
  const endings: (() => unknown)[] = []
  const dns = await startDns(
    { teardown: end => endings.push(end) },
    { 'A api.test': a('api.test', '127.0.0.1') }
  )
  const from = await scene.start(startServiceProcess())
  const port = Number(new URL(from.url).port)
  const to = await scene.start(startServiceProcess({ port, host: '127.0.0.2' }))
  const gateway = await scene.start(
    startGatewayProcess({
      upstreams: { api: { dns: { name: 'api.test', port, refresh, servers: [dns.address] } } }
    })
  )
  const url = `${gateway.url}/api/small`
  // The first lookup has to be over.
  await until(async () => (await fetch(url)).ok)
  let changedAt = 0
  const load = await steadily(url, rate, change())
  const [old, next] = await Promise.all([ask<ServiceState>(from), ask<ServiceState>(to)])
  for (const end of endings) end()
  const first = next.requests === 0 ? Number.POSITIVE_INFINITY : next.firstAt - changedAt
  const last = old.lastAt - changedAt
  scene.figure('requests', load.sent)
  scene.figure('answers', JSON.stringify(load.results))
  scene.figure(
    'median, p99, slowest',
    [0.5, 0.99, 1].map(share => ms(quantile(load.times, share))).join(', ')
  )
  scene.figure(`followed after (refresh ${refresh} ms); last at the old address`, `${ms(first)}; ${ms(last)}`)
  scene.must(load.results['200'] === load.sent, 'some fail')
  scene.must(first <= refresh + slack && last <= refresh + 2 * slack, 'later than the refresh time')

  async function change(): Promise<void> {
    await sleep(3_000)
    dns.zone['A api.test'] = a('api.test', '127.0.0.2')
    changedAt = Date.now()
    await sleep(4_000)
  }
}
