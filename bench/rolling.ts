import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { freePort } from './free-port.ts'
import { createConfigFile } from './reload/configs.ts'
import {
  countFailures,
  countRequests,
  type LoadStats,
  mergeLoadStats,
  printLoad
} from './reload/load-stats.ts'
import { startScript, takeStats } from './reload/processes.ts'
import { type Pod, startBalancer } from './rolling/balancer.ts'
import { type RunningPod, startPod, stopPod, type Termination } from './rolling/pods.ts'

/**
 * Rehearses rolling updates as Kubernetes runs them, behind HAProxy: `npm run bench:rolling`. Two gateways are replaced one
 * after the other: the new one starts and becomes ready, then the old one ends, in turns by `preStop` and by `drain.delay`.
 * Fails if a request fails, a connection is reset, HAProxy counts an error or a retry, or a gateway does not exit with 0 in
 * time. `-- --requests 20000` for a short run; `-- --pre-stop 0 --delay 0` shows what the waits are for.
 */
const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '200000' },
    rate: { type: 'string', default: '600' },
    'pre-stop': { type: 'string', default: '10' },
    delay: { type: 'string', default: '5' },
    timeout: { type: 'string', default: '10' }
  }
})
const drainTimeout = Number(values.timeout)
/** How load balancers learn of the end of a pod; pods take turns. */
const WAYS: Termination[] = [
  { preStop: Number(values['pre-stop']), drainDelay: 0, drainTimeout },
  { preStop: 0, drainDelay: Number(values.delay), drainTimeout }
]
const violations: string[] = []
const teardowns: (() => unknown)[] = []

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, async () => {
    await stopAll()
    process.exit(1)
  })
try {
  await run()
} finally {
  await stopAll()
}
console.log(violations.length === 0 ? 'ok' : `failed: ${violations.join('; ')}`)
process.exit(violations.length === 0 ? 0 : 1)

async function stopAll(): Promise<void> {
  for (const teardown of teardowns.splice(0).reverse()) await teardown()
}

async function run(): Promise<void> {
  const config = createConfigFile(Number.POSITIVE_INFINITY)
  teardowns.push(config.remove)
  // One more than run at a time: the new pod has its address before the old one ends.
  const pods: Pod[] = []
  for (const name of ['a', 'b', 'c']) pods.push({ name, port: await freePort(), adminPort: await freePort() })
  const balancer = await startBalancer(pods)
  teardowns.push(balancer.stop)
  const service = await startScript('service.ts', {})
  teardowns.push(() => service.child.kill())
  const env = { SERVICE_URL: `http://127.0.0.1:${service.port}` }
  const running: (RunningPod & { way: Termination })[] = []
  teardowns.push(() => running.forEach(({ child }) => void child.kill('SIGKILL')))
  let release = 0
  await start(pods[0] as Pod)
  await start(pods[1] as Pod)

  const loads: ChildProcess[] = []
  for (const url of [balancer.ingress, balancer.service]) {
    const options = { url: `${url}/api`, rate: Number(values.rate) / 2, connections: 100 }
    const LOAD = JSON.stringify({ ...options, webSockets: 10, eventStreams: 10, downloads: 3 })
    const { child } = await startScript('load.ts', { LOAD })
    teardowns.push(() => child.kill())
    loads.push(child)
  }
  const take = async () => mergeLoadStats(await Promise.all(loads.map(load => takeStats(load))))
  await sleep(5_000)
  const before = await take()
  expectNoFailures(before, 'before the updates')

  const stats: LoadStats[] = []
  let requests = 0
  while (requests < Number(values.requests)) {
    const free = pods.find(({ name }) => !running.some(pod => pod.name === name)) as Pod
    await start(free)
    const old = running.shift() as (typeof running)[0]
    const fault = await stopPod(old, balancer, old.way)
    if (fault !== undefined) violations.push(fault)
    stats.push(await take())
    requests += countRequests(stats.at(-1) as LoadStats)
  }
  const all = mergeLoadStats(stats)
  printLoad(`during ${release - 2} replacements, one after the other`, all)
  expectNoFailures(all, 'during the updates')
  const errors = await balancer.errors()
  if (Object.keys(errors).length > 0) violations.push(`HAProxy counted ${JSON.stringify(errors)}`)
  const failures = countFailures(all)
  console.log(
    `${failures} of ${requests + failures} requests failed; retries and errors of HAProxy: ${JSON.stringify(errors)}`
  )

  async function start(pod: Pod): Promise<void> {
    const way = WAYS[release % WAYS.length] as Termination
    config.write(++release)
    running.push({ ...(await startPod(pod, balancer, config.path, env, way)), way })
  }
}

function expectNoFailures(stats: LoadStats, when: string): void {
  const count = countFailures(stats)
  if (count === 0) return
  violations.push(`${count} failures ${when}`)
  console.log(JSON.stringify(stats.failures, undefined, 2), stats.samples.join('\n'))
}
