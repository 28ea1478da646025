import { setTimeout as sleep } from 'node:timers/promises'
import { ask, type GatewayState, startGatewayProcess, startServiceProcess } from '../faults/processes.ts'
import type { ServiceState } from '../faults/service.ts'
import { type LoadResult, quantile, sendSteadily } from '../faults/steady-load.ts'
import { formatMs, type Scenario } from './scenario.ts'

/**
 * All endpoints of one upstream respond with 503 and 200 KiB, while another upstream of the same gateway is healthy. The
 * baseline for the healthy upstream's latency is the same load with 200 instead of 503.
 */
export async function storm(scenario: Scenario, { rate = 200, seconds = 10, slack = 5 } = {}): Promise<void> {
  const startThree = (status: number) =>
    Promise.all([1, 2, 3].map(() => scenario.start(startServiceProcess({ status, bytes: 204_800 }))))
  const failing = await startThree(503)
  const baseline = await startThree(200)
  const healthy = await scenario.start(startServiceProcess())
  const endpoints = failing.map(({ url }) => ({ url }))
  const gateway = await scenario.start(
    startGatewayProcess({
      upstreams: {
        guarded: { endpoints, retry: {} },
        // A breaker that never opens.
        unguarded: { endpoints, retry: {}, breaker: { failures: 1_000_000 } },
        baseline: { endpoints: baseline.map(({ url }) => ({ url })) },
        healthy: { url: healthy.url }
      }
    })
  )
  const urlOf = (upstream: string) => `${gateway.url}/${upstream}/small`
  await sendSteadily(urlOf('healthy'), rate, sleep(2_000))
  await sendSteadily(urlOf('baseline'), rate, sleep(2_000))
  const [, before] = await sendToBoth('baseline')
  reportLatency('healthy upstream, baseline', before)
  let total = 0
  for (const name of ['unguarded', 'guarded']) {
    const [load, beside] = await sendToBoth(name)
    const served = (await requestsServed()) - total
    total += served
    const title = name === 'guarded' ? 'with a breaker' : 'without a breaker'
    scenario.report(`${title}: requests, responses`, `${load.sent}, ${JSON.stringify(load.results)}`)
    scenario.report(`${title}: calls`, `${served} (${(served / load.sent).toFixed(3)} x)`)
    reportLatency(`${title}: healthy upstream`, beside)
    // The retry budget is 20 %. It estimates the last second, and has a minimum, so one call more may pass.
    scenario.expect(served <= load.sent * 1.2 + 1, 'the upstream gets more than 1.2 x the requests')
    scenario.expect(beside.results['200'] === beside.sent, 'the healthy upstream fails')
    scenario.expect(
      quantile(beside.times, 0.5) <= quantile(before.times, 0.5) + slack &&
        quantile(beside.times, 0.99) <= quantile(before.times, 0.99) * 2 + 4 * slack,
      `${title}: the healthy upstream is slower`
    )
  }
  const { upstreams } = await ask<GatewayState>(gateway)
  const running = upstreams.reduce((sum, { calls }) => sum + calls.running + calls.queued, 0)
  // Longer than idle connections are kept.
  await sleep(6_000)
  const states = await Promise.all(failing.map(each => ask<ServiceState>(each)))
  const open = states.reduce((sum, { connections }) => sum + connections, 0)
  scenario.report('calls in progress, open connections', `${running}, ${open}`)
  scenario.expect(running === 0 && open === 0, 'calls or connections are left')

  function sendToBoth(upstream: string): Promise<[LoadResult, LoadResult]> {
    const until = sleep(seconds * 1_000)
    return Promise.all([
      sendSteadily(urlOf(upstream), rate, until),
      sendSteadily(urlOf('healthy'), rate, until)
    ])
  }

  async function requestsServed(): Promise<number> {
    const states = await Promise.all(failing.map(each => ask<ServiceState>(each)))
    return states.reduce((sum, { requests }) => sum + requests, 0)
  }

  function reportLatency(what: string, { times }: LoadResult): void {
    const [median, p99] = [0.5, 0.99].map(q => formatMs(quantile(times, q)))
    scenario.report(`${what}, median and p99`, `${median}, ${p99}`)
  }
}
