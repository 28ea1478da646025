import { setTimeout as sleep } from 'node:timers/promises'
import { type Load, quantile, steadily } from '../faults/load.ts'
import { ask, type GatewayState, startGatewayProcess, startServiceProcess } from '../faults/processes.ts'
import type { ServiceState } from '../faults/service.ts'
import { ms, type Scene } from './scenario.ts'

/**
 * All endpoints of an upstream answer 503, with 200 KiB; another upstream of the same gateway is well. What the other
 * one's latency is compared with is the same load while all answer 200: as much to carry, and nothing wrong.
 */
export async function storm(scene: Scene, { rate = 200, seconds = 10, slack = 5 } = {}): Promise<void> {
  const three = (status: number) =>
    Promise.all([1, 2, 3].map(() => scene.start(startServiceProcess({ status, bytes: 204_800 }))))
  const failing = await three(503)
  const calm = await three(200)
  const well = await scene.start(startServiceProcess())
  const endpoints = failing.map(({ url }) => ({ url }))
  const gateway = await scene.start(
    startGatewayProcess({
      upstreams: {
        guarded: { endpoints, retry: {} },
        // Without a breaker, so that all calls are made.
        bare: { endpoints, retry: {}, breaker: { failures: 1_000_000 } },
        calm: { endpoints: calm.map(({ url }) => ({ url })) },
        other: { url: well.url }
      }
    })
  )
  const other = `${gateway.url}/other/small`
  await steadily(other, rate, sleep(2_000))
  await steadily(`${gateway.url}/calm/small`, rate, sleep(2_000))
  const calmly = sleep(seconds * 1_000)
  const [, before] = await Promise.all([
    steadily(`${gateway.url}/calm/small`, rate, calmly),
    steadily(other, rate, calmly)
  ])
  latency('another upstream, before', before)
  let all = 0
  for (const name of ['bare', 'guarded']) {
    const over = sleep(seconds * 1_000)
    const [load, beside] = await Promise.all([
      steadily(`${gateway.url}/${name}/small`, rate, over),
      steadily(other, rate, over)
    ])
    const seen = (await served()) - all
    all += seen
    const title = name === 'bare' ? 'without a breaker' : 'with the breaker'
    scene.figure(`${title}: requests, answers`, `${load.sent}, ${JSON.stringify(load.results)}`)
    scene.figure(`${title}: the upstream sees`, `${seen} (${(seen / load.sent).toFixed(3)} x)`)
    latency(`${title}: another upstream`, beside)
    // One more than a fifth: the budget estimates its last second, and has a floor while there are few requests.
    scene.must(seen <= load.sent * 1.2 + 1, 'the upstream sees more than 1.2 x the requests')
    scene.must(beside.results['200'] === beside.sent, 'the other upstream fails')
    scene.must(
      quantile(beside.times, 0.5) <= quantile(before.times, 0.5) + slack &&
        quantile(beside.times, 0.99) <= quantile(before.times, 0.99) * 2 + 4 * slack,
      `${title}: the other upstream is slower`
    )
  }
  const { upstreams } = await ask<GatewayState>(gateway)
  const running = upstreams.reduce((sum, { calls }) => sum + calls.running + calls.queued, 0)
  // Longer than an idle connection is kept.
  await sleep(6_000)
  const states = await Promise.all(failing.map(each => ask<ServiceState>(each)))
  const left = states.reduce((sum, { connections }) => sum + connections, 0)
  scene.figure('calls under way, connections left', `${running}, ${left}`)
  scene.must(running === 0 && left === 0, 'something is left over')

  async function served(): Promise<number> {
    const states = await Promise.all(failing.map(each => ask<ServiceState>(each)))
    return states.reduce((sum, { requests }) => sum + requests, 0)
  }

  function latency(what: string, { times }: Load): void {
    scene.figure(`${what}, p50 and p99`, `${ms(quantile(times, 0.5))}, ${ms(quantile(times, 0.99))}`)
  }
}
