import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { quantile } from './faults/steady-load.ts'
import { freePort } from './free-port.ts'
import { createConfigFile } from './reload/configs.ts'
import {
  countFailures,
  countRequests,
  type LoadStats,
  mergeLoadStats,
  printLoad,
  REQUESTS
} from './reload/load-stats.ts'
import { reload, startGateway, startScript, statusOf, takeStats } from './reload/processes.ts'

/**
 * Reloads a gateway under load, every third time with a faulty config, then replaces its process: `npm run bench:reload`.
 * Fails if any request fails, a connection is reset, a faulty config is accepted, or the 99th percentile exceeds `--factor`
 * times the one without reloads. `-- --requests 20000 --reloads 3` for a short run.
 */
const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '200000' },
    reloads: { type: 'string', default: '20' },
    rate: { type: 'string', default: '600' },
    workers: { type: 'string', default: '2' },
    factor: { type: 'string', default: '3' }
  }
})
const FAULTY_EVERY = 3
const requests = Number(values.requests)
const reloads = Number(values.reloads)
const violations: string[] = []
const teardowns: (() => unknown)[] = []

try {
  await run()
} finally {
  for (const teardown of teardowns.reverse()) await teardown()
}
console.log(violations.length === 0 ? 'ok' : `failed: ${violations.join('; ')}`)
process.exit(violations.length === 0 ? 0 : 1)

async function run(): Promise<void> {
  const config = createConfigFile(FAULTY_EVERY)
  teardowns.push(config.remove)
  config.write(1)
  const [port, adminPort] = [await freePort(), await freePort()]
  const admin = `http://127.0.0.1:${adminPort}`
  const service = await startScript('service.ts', {})
  teardowns.push(() => service.child.kill())
  const gateway = await startGateway(config.path, {
    PORT: String(port),
    ADMIN_PORT: String(adminPort),
    SERVICE_URL: `http://127.0.0.1:${service.port}`,
    WORKERS: values.workers
  })
  teardowns.push(async () => {
    const pid = await statusOf(admin).then(
      ({ pid }) => pid,
      () => undefined
    )
    gateway.kill('SIGKILL')
    if (pid !== undefined && pid !== gateway.pid) process.kill(pid, 'SIGKILL')
  })
  const { child: load } = await startScript('load.ts', {
    LOAD: JSON.stringify({
      url: `http://127.0.0.1:${port}/api`,
      rate: Number(values.rate),
      connections: 200,
      webSockets: 50,
      eventStreams: 50,
      downloads: 0
    })
  })
  teardowns.push(() => load.kill())

  await sleep(3_000)
  expectNoFailures(await takeStats(load), 'during the warm-up')
  await sleep(Math.min(15_000, (requests / Number(values.rate)) * 200))
  const baseline = await takeStats(load)
  printLoad('without reloads', baseline)
  expectNoFailures(baseline, 'without reloads')

  const during: LoadStats[] = []
  for (let i = 1; i <= reloads; i++) {
    await reloadOnce(i, config.write(i + 1), admin)
    during.push(await takeStats(load))
  }
  // The replacement needs a valid config.
  config.write(Math.ceil((reloads + 2) / FAULTY_EVERY) * FAULTY_EVERY + 1)
  gateway.kill('SIGUSR2')
  const [code] = await once(gateway, 'exit')
  if (code !== 0) violations.push(`the replaced process exited with ${code}`)
  during.push(await takeStats(load))
  console.log(`replaced: pid ${gateway.pid} by ${(await statusOf(admin)).pid}`)

  const reloading = mergeLoadStats(during)
  printLoad('during reloads', reloading)
  expectNoFailures(reloading, 'during reloads')
  let total = countRequests(baseline) + countRequests(reloading)
  const after: LoadStats[] = []
  do {
    await sleep(1_000)
    const stats = await takeStats(load)
    after.push(stats)
    total += countRequests(stats)
  } while (total < requests)
  expectNoFailures(mergeLoadStats(after), 'after reloads')
  for (const kind of REQUESTS.filter(kind => kind in baseline.times))
    console.log(`p99 of ${kind}: ${p99Factor(baseline, reloading, [kind]).toFixed(1)} x without reloads`)
  const factor = p99Factor(baseline, reloading, REQUESTS)
  console.log(`p99 of all requests: ${factor.toFixed(1)} x without reloads; ${total} requests in total`)
  if (!(factor <= Number(values.factor))) violations.push(`p99 is ${factor.toFixed(1)} x without reloads`)
}

/** `expectedError`: undefined for a valid config. */
async function reloadOnce(number: number, expectedError: RegExp | undefined, admin: string): Promise<void> {
  const before = await statusOf(admin)
  const { outcome, reason, duration } = await reload(admin)
  const { generation, workers } = await statusOf(admin)
  const ready = workers.filter(({ state }) => state === 'ready')
  const firstLine = reason ? ` (${reason.split('\n', 1)[0]})` : ''
  console.log(`reload ${number}: ${outcome}${firstLine}, ${duration} ms`)
  if (expectedError === undefined && (outcome !== 'done' || generation !== before.generation + 1))
    violations.push(`reload ${number} failed: ${reason}`)
  if (expectedError !== undefined && (outcome !== 'failed' || !expectedError.test(reason ?? '')))
    violations.push(`reload ${number} should fail with ${expectedError}`)
  if (ready.length !== Number(values.workers) || ready.some(worker => worker.generation !== generation))
    violations.push(`after reload ${number} not all workers are of generation ${generation}`)
}

function expectNoFailures(stats: LoadStats, when: string): void {
  const count = countFailures(stats)
  if (count === 0) return
  violations.push(`${count} failures ${when}`)
  console.log(JSON.stringify(stats.failures, undefined, 2), stats.samples.join('\n'))
}

function p99Factor(before: LoadStats, after: LoadStats, kinds: string[]): number {
  const p99Of = ({ times }: LoadStats) =>
    quantile(
      kinds.flatMap(kind => times[kind] ?? []),
      0.99
    )
  return p99Of(after) / p99Of(before)
}
