import { setTimeout as sleep } from 'node:timers/promises'
import { a, startDns } from '../../test/dns-server.ts'
import { until } from '../../test/until.ts'
import { ask, startGatewayProcess, startServiceProcess } from '../faults/processes.ts'
import type { ServiceState } from '../faults/service.ts'
import { quantile, sendSteadily } from '../faults/steady-load.ts'
import { formatMs, type Scenario } from './scenario.ts'

/** The address of an upstream's name changes to 127.0.0.2 (available on Linux) under a steady load. */
export async function dnsChange(
  scenario: Scenario,
  { rate = 200, refresh = 1_000, slack = 250 } = {}
): Promise<void> {
  const teardowns: (() => unknown)[] = []
  const dns = await startDns(
    { teardown: teardown => teardowns.push(teardown) },
    { 'A api.test': a('api.test', '127.0.0.1') }
  )
  const from = await scenario.start(startServiceProcess())
  const port = Number(new URL(from.url).port)
  const to = await scenario.start(startServiceProcess({ port, host: '127.0.0.2' }))
  const gateway = await scenario.start(
    startGatewayProcess({
      upstreams: { api: { dns: { name: 'api.test', port, refresh, servers: [dns.address] } } }
    })
  )
  const url = `${gateway.url}/api/small`
  // Wait for the first look-up.
  await until(async () => (await fetch(url)).ok)
  let changedAt = 0
  const load = await sendSteadily(url, rate, changeAddress())
  const [before, after] = await Promise.all([ask<ServiceState>(from), ask<ServiceState>(to)])
  for (const teardown of teardowns) teardown()
  const first = after.requests === 0 ? Number.POSITIVE_INFINITY : after.firstAt - changedAt
  const last = before.lastAt - changedAt
  scenario.report('requests', load.sent)
  scenario.report('responses', JSON.stringify(load.results))
  scenario.report(
    'median, p99, slowest',
    [0.5, 0.99, 1].map(q => formatMs(quantile(load.times, q))).join(', ')
  )
  scenario.report(
    `first request to the new address, last to the old one (refresh ${refresh} ms)`,
    `${formatMs(first)}; ${formatMs(last)}`
  )
  scenario.expect(load.results['200'] === load.sent, 'some requests fail')
  scenario.expect(first <= refresh + slack && last <= refresh + 2 * slack, 'later than the refresh interval')

  async function changeAddress(): Promise<void> {
    await sleep(3_000)
    dns.zone['A api.test'] = a('api.test', '127.0.0.2')
    changedAt = Date.now()
    await sleep(4_000)
  }
}
