import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask, type GatewayState, startGatewayProcess, startServiceProcess } from '../faults/processes.ts'
import type { ServiceState } from '../faults/service.ts'
import { formatMs, type Scenario } from './scenario.ts'

/**
 * Clients disconnect while they wait, send or read. They come in waves, so that all requests of a wave are in progress. The
 * rounds tell a leak, which grows each time, from memory that the allocator keeps.
 */
export async function disconnect(
  scenario: Scenario,
  { clients = 10_000, wave = 1_000, rounds = 3, slack = 0, settle = 5_000 } = {}
): Promise<void> {
  const service = await scenario.start(startServiceProcess())
  const gateway = await scenario.start(
    startGatewayProcess({
      deadline: 60_000,
      upstreams: { api: { url: service.url, connections: wave, concurrency: { max: wave } } }
    })
  )
  /** Epoch milliseconds of each client's disconnect, by request id. */
  const disconnectedAt = new Map<string, number>()
  // Fills pools and caches.
  await runWave('warm-up', wave)
  const readings = [await readMemory()]
  for (let round = 1; round <= rounds; round++) {
    for (let sent = 0; sent < clients; sent += wave)
      await runWave(`r${round}w${sent}`, Math.min(wave, clients - sent))
    readings.push(await readMemory())
  }
  const heap = readings.map(({ heapUsed }) => heapUsed)
  const resident = readings.map(({ rss }) => rss)
  const { aborted } = await ask<ServiceState>(service)
  const delays = [...disconnectedAt].map(([id, at]) => (aborted[id] ?? Number.POSITIVE_INFINITY) - at)
  const never = delays.filter(delay => delay === Number.POSITIVE_INFINITY).length
  const slowest = Math.max(...delays)
  const { upstreams } = await ask<GatewayState>(gateway)
  const { calls, breaker } = upstreams[0] as GatewayState['upstreams'][number]
  const toMiB = (bytes: number[]) => `${bytes.map(one => (one / 2 ** 20).toFixed(1)).join(', ')} MiB`
  scenario.report('disconnected clients', disconnectedAt.size)
  scenario.report('calls never cancelled; slowest cancellation', `${never}; ${formatMs(slowest)}`)
  scenario.report('calls in progress', calls.running + calls.queued)
  scenario.report('failures counted by the breaker', breaker.failures)
  scenario.report(`resident after the warm-up, then after each ${clients}`, toMiB(resident))
  scenario.report('live heap', toMiB(heap))
  scenario.report('total heap', toMiB(readings.map(({ heapTotal }) => heapTotal)))
  scenario.expect(slowest <= 1_000 + slack, 'a call is cancelled after more than a second, or never')
  scenario.expect(calls.running + calls.queued === 0, 'calls are still in progress')
  scenario.expect(breaker.failures === 0 && breaker.opened === 0, 'the breaker counts disconnects')
  scenario.expect(growthOf(heap) < 4 * 2 ** 20, 'the heap has grown')
  scenario.expect(growthOf(resident) < 24 * 2 ** 20, 'the process has grown')
  scenario.expect(growthOf(resident.slice(1)) < 8 * 2 ** 20, 'the process grows with each round')

  async function runWave(name: string, count: number): Promise<void> {
    const { requests: before } = await ask<ServiceState>(service)
    const waiting = Array.from({ length: count }, (_, i) => {
      const id = `${name}-${i}`
      const isUpload = i % 3 === 1
      const outgoing = request(`${gateway.url}/api/${i % 3 === 2 ? 'endless' : 'hang'}/${id}`, {
        agent: false,
        method: isUpload ? 'POST' : 'GET',
        headers: isUpload ? { 'content-type': 'text/plain', 'content-length': 1_000 } : {}
      })
      outgoing.on('error', () => {})
      outgoing.on('response', response => response.on('error', () => {}).resume())
      if (isUpload) outgoing.write('x'.repeat(500))
      else outgoing.end()
      return { id, outgoing }
    })
    for (const end = Date.now() + 20_000; Date.now() < end; await sleep(50))
      if ((await ask<ServiceState>(service)).requests - before >= count) break
    for (const { id, outgoing } of waiting) {
      if (name !== 'warm-up') disconnectedAt.set(id, Date.now())
      outgoing.destroy()
    }
    await sleep(1_000)
  }

  function growthOf(bytes: number[]): number {
    return (bytes.at(-1) as number) - (bytes[0] as number)
  }

  /** Waits for connections to close, and collects garbage first. */
  async function readMemory(): Promise<NodeJS.MemoryUsage> {
    await sleep(settle)
    for (let i = 0; i < 3; i++) {
      await ask(gateway, true)
      await sleep(300)
    }
    return (await ask<GatewayState>(gateway)).memory
  }
}
