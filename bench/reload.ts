import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { quantile } from './faults/load.ts'
import { createEditions } from './reload/editions.ts'
import { ask, freePort, reload, startChild, startGateway, status } from './reload/rig.ts'
import type { Tally } from './reload/tally.ts'

/**
 * What clients notice of a gateway that is changed under load: it is reloaded again and again, every third time with a
 * config that is wrong, then replaced by another process, and that one stopped. Prints what it saw, and fails if a single
 * request failed, a connection was reset, a wrong config was taken, or the 99th percentile was more than `--factor` times
 * the one without reloads. `-- --requests 20000 --reloads 3` for a short one.
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
const REQUESTS = ['plain', 'composed', 'new', 'upload']
const requests = Number(values.requests)
const reloads = Number(values.reloads)
const short: string[] = []
const ended: (() => unknown)[] = []

try {
  await play()
} finally {
  for (const end of ended.reverse()) await end()
}
console.log(short.length === 0 ? 'ok' : `short: ${short.join('; ')}`)
process.exit(short.length === 0 ? 0 : 1)

async function play(): Promise<void> {
  const editions = createEditions(3)
  ended.push(editions.end)
  editions.write(1)
  const [port, adminPort] = [await freePort(), await freePort()]
  const admin = `http://127.0.0.1:${adminPort}`
  const service = await startChild('service.ts', {})
  ended.push(() => service.child.kill())
  const gateway = await startGateway(editions.file, {
    PORT: String(port),
    ADMIN_PORT: String(adminPort),
    SERVICE_URL: `http://127.0.0.1:${service.port}`,
    WORKERS: values.workers
  })
  ended.push(async () => {
    const pid = await status(admin).then(
      ({ pid }) => pid,
      () => undefined
    )
    gateway.kill('SIGKILL')
    if (pid !== undefined && pid !== gateway.pid) process.kill(pid, 'SIGKILL')
  })
  const { child: load } = await startChild('load.ts', {
    LOAD: JSON.stringify({
      url: `http://127.0.0.1:${port}/api`,
      rate: Number(values.rate),
      connections: 200,
      sockets: 50,
      streams: 50
    })
  })
  ended.push(() => load.kill())

  await sleep(3_000)
  must(await ask(load, 'tell'), 'warming up')
  await sleep(Math.min(15_000, (requests / Number(values.rate)) * 200))
  const quiet = await ask(load, 'tell')
  show('without reloads', quiet)
  must(quiet, 'without reloads')

  const during: Tally[] = []
  for (let i = 2; i <= reloads + 1; i++) {
    const expected = editions.write(i)
    const before = await status(admin)
    const outcome = await reload(admin)
    const { generation, workers } = await status(admin)
    const ready = workers.filter(({ state }) => state === 'ready')
    console.log(
      `reload ${i - 1}: ${outcome.outcome}${outcome.reason ? ` (${outcome.reason.split('\n', 1)[0]})` : ''}, ${outcome.duration} ms`
    )
    if (expected === undefined && (outcome.outcome !== 'done' || generation !== before.generation + 1))
      short.push(`reload ${i - 1} did not happen: ${outcome.reason}`)
    if (expected !== undefined && (outcome.outcome !== 'failed' || !expected.test(outcome.reason ?? '')))
      short.push(`reload ${i - 1} was to fail with ${expected}`)
    if (ready.length !== Number(values.workers) || ready.some(worker => worker.generation !== generation))
      short.push(`after reload ${i - 1} not all workers are of generation ${generation}`)
    during.push(await ask(load, 'tell'))
  }

  editions.write(Math.ceil((reloads + 2) / 3) * 3 + 1)
  gateway.kill('SIGUSR2')
  const [code] = await once(gateway, 'exit')
  if (code !== 0) short.push(`the process that was replaced ended with ${code}`)
  during.push(await ask(load, 'tell'))
  console.log(`replaced: pid ${gateway.pid} by ${(await status(admin)).pid}`)

  const all = merge(during)
  show('during reloads', all)
  must(all, 'during reloads')
  let total = countOf(quiet.done) + countOf(all.done)
  const after: Tally[] = []
  do {
    await sleep(1_000)
    after.push(await ask(load, 'tell'))
    total += countOf((after.at(-1) as Tally).done)
  } while (total < requests)
  must(merge(after), 'after reloads')
  for (const kind of REQUESTS) {
    const [before = Number.NaN, now = Number.NaN] = [quiet, all].map(({ times }) =>
      quantile(times[kind] ?? [], 0.99)
    )
    console.log(`p99 of ${kind}: ${(now / before).toFixed(1)} times the quiet one`)
  }
  const [before, now] = [quiet, all].map(({ times }) =>
    quantile(
      REQUESTS.flatMap(kind => times[kind] ?? []),
      0.99
    )
  )
  const factor = (now as number) / (before as number)
  console.log(`p99 of all requests: ${factor.toFixed(1)} times the quiet one; ${total} requests in all`)
  if (!(factor <= Number(values.factor))) short.push(`p99 is ${factor.toFixed(1)} times the quiet one`)
}

function must({ failures, samples }: Tally, when: string): void {
  const count = Object.values(failures).reduce((sum, n) => sum + n, 0)
  if (count === 0) return
  short.push(`${count} failures ${when}`)
  console.log(JSON.stringify(failures, undefined, 2), samples.join('\n'))
}

function show(name: string, { done, times, seen, editions }: Tally): void {
  console.log(`${name}:`)
  for (const [kind, count] of Object.entries(done)) {
    const [p50, p99, max] = [0.5, 0.99, 1].map(share => quantile(times[kind] ?? [], share).toFixed(1))
    console.log(`  ${kind}: ${count}, median ${p50} ms, p99 ${p99} ms, slowest ${max} ms`)
  }
  for (const [what, count] of Object.entries(seen)) console.log(`  ${what}: ${count}`)
  console.log(`  by edition: ${JSON.stringify(editions)}`)
}

function countOf(done: Record<string, number>): number {
  return REQUESTS.reduce((sum, kind) => sum + (done[kind] ?? 0), 0)
}

function merge(tallies: Tally[]): Tally {
  const all: Tally = { done: {}, times: {}, failures: {}, samples: [], seen: {}, editions: {} }
  for (const tally of tallies) {
    for (const name of ['done', 'failures', 'seen', 'editions'] as const)
      for (const [key, count] of Object.entries(tally[name])) all[name][key] = (all[name][key] ?? 0) + count
    for (const [kind, times] of Object.entries(tally.times))
      all.times[kind] = [...(all.times[kind] ?? []), ...times]
    all.samples.push(...tally.samples)
  }
  return all
}
