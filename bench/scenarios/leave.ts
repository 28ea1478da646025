import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask, type GatewayState, startGatewayProcess, startServiceProcess } from '../faults/processes.ts'
import type { ServiceState } from '../faults/service.ts'
import { ms, type Scene } from './scenario.ts'

/**
 * Clients leave in mid-request: while they wait, while they send, and while they read. In waves, so that all are there;
 * all of it several times over, since what an allocator keeps for the next time does not grow from one to the other, and
 * what is lost does.
 */
export async function leave(
  scene: Scene,
  { clients = 10_000, wave = 1_000, rounds = 3, slack = 0, settle = 5_000 } = {}
): Promise<void> {
  const service = await scene.start(startServiceProcess())
  const gateway = await scene.start(
    startGatewayProcess({
      deadline: 60_000,
      upstreams: { api: { url: service.url, connections: wave, concurrency: { max: wave } } }
    })
  )
  const leftAt = new Map<string, number>()
  // The first wave only makes room for what is kept.
  await runWave('warm', wave)
  const held = [await memory()]
  for (let round = 1; round <= rounds; round++) {
    for (let sent = 0; sent < clients; sent += wave)
      await runWave(`r${round}w${sent}`, Math.min(wave, clients - sent))
    held.push(await memory())
  }
  const heap = held.map(({ heapUsed }) => heapUsed)
  const resident = held.map(({ rss }) => rss)
  const { closed } = await ask<ServiceState>(service)
  const delays = [...leftAt].map(([id, at]) => (closed[id] ?? Number.POSITIVE_INFINITY) - at)
  const never = delays.filter(delay => delay === Number.POSITIVE_INFINITY).length
  const slowest = Math.max(...delays)
  const { upstreams } = await ask<GatewayState>(gateway)
  const api = upstreams[0] as GatewayState['upstreams'][number]
  const mib = (bytes: number[]) => `${bytes.map(one => (one / 2 ** 20).toFixed(1)).join(', ')} MiB`
  scene.figure('clients that left', leftAt.size)
  scene.figure('calls never cancelled; slowest to be', `${never}; ${ms(slowest)}`)
  scene.figure('still under way', api.calls.running + api.calls.queued)
  scene.figure('failures that the breaker counts', api.breaker.failures)
  scene.figure(`resident after one wave, then after each ${clients}`, mib(resident))
  scene.figure('alive in the heap', mib(heap))
  scene.figure('of the resident, the heap', mib(held.map(({ heapTotal }) => heapTotal)))
  scene.must(slowest <= 1_000 + slack, 'a call is cancelled after more than a second, or never')
  scene.must(api.calls.running + api.calls.queued === 0, 'calls are still under way')
  scene.must(api.breaker.failures === 0 && api.breaker.opened === 0, 'the breaker counts those who left')
  scene.must(growth(heap) < 4 * 2 ** 20, 'the heap has grown')
  scene.must(growth(resident) < 24 * 2 ** 20, 'the process has grown')
  scene.must(growth(resident.slice(1)) < 8 * 2 ** 20, 'the process grows each time')

  async function runWave(name: string, count: number): Promise<void> {
    const { requests: served } = await ask<ServiceState>(service)
    const waiting = Array.from({ length: count }, (_, i) => {
      const id = `${name}-${i}`
      const isUpload = i % 3 === 1
      const outgoing = request(`${gateway.url}/api/${i % 3 === 2 ? 'flow' : 'hang'}/${id}`, {
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
      if ((await ask<ServiceState>(service)).requests - served >= count) break
    for (const { id, outgoing } of waiting) {
      if (name !== 'warm') leftAt.set(id, Date.now())
      outgoing.destroy()
    }
    await sleep(1_000)
  }

  /** Of the last over the first. */
  function growth(bytes: number[]): number {
    return (bytes.at(-1) as number) - (bytes[0] as number)
  }

  /** Once all is over, and what can be given back has been. */
  async function memory(): Promise<NodeJS.MemoryUsage> {
    await sleep(settle)
    for (let i = 0; i < 3; i++) {
      await ask(gateway, true)
      await sleep(300)
    }
    return (await ask<GatewayState>(gateway)).memory
  }
}
