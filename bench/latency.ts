import { Pool } from 'undici'
import { type Measured, startGateway, startScript, stop } from './process.ts'
import { median, round } from './statistics.ts'

/**
 * The latency that a gateway adds at half of its capacity: `npm run bench:latency`. Requests leave on time, whether or not
 * earlier ones have been answered, and their time counts from when they should have left (no coordinated omission).
 * Rounds of the service alone, of Sluice and of a bare @fastify/http-proxy take turns, all at the same rate.
 */
const ROUNDS = 7
const SECONDS = 2

const upstream = await startScript('upstream.ts', {}, 1)
const env = { UPSTREAM: upstream.url, QUIET: '1' }
const sluice = await startGateway('subjects/sluice.ts', env)
const bare = await startScript('subjects/bare.ts', env, 0)
const subjects: [name: string, process: Measured, path: string, pool: Pool][] = [
  ['direct', upstream, '/products/1', new Pool(upstream.url, { connections: 64 })],
  ['sluice', sluice, '/plain/1', new Pool(sluice.url, { connections: 64 })],
  ['bare', bare, '/products/1', new Pool(bare.url, { connections: 64 })]
]

for (const [, , path, pool] of subjects) await saturate(pool, path, 2)
const [, , path, pool] = subjects[1] as (typeof subjects)[number]
const capacity = await saturate(pool, path, 3)
const rate = capacity / 2
console.log(`${round(capacity, 0)} requests a second at the most, ${round(rate, 0)} offered`)

const added: Record<string, { p50: number[]; p99: number[] }> = {}
for (let i = 0; i < ROUNDS; i++) {
  let direct = { p50: 0, p99: 0 }
  for (const [name, , path, pool] of subjects) {
    const { p50, p99 } = await offer(pool, path, rate)
    if (name === 'direct') direct = { p50, p99 }
    added[name] ??= { p50: [], p99: [] }
    added[name].p50.push(name === 'direct' ? p50 : p50 - direct.p50)
    added[name].p99.push(name === 'direct' ? p99 : p99 - direct.p99)
  }
}
for (const [name, { p50, p99 }] of Object.entries(added))
  console.log(
    `${name}: ${name === 'direct' ? '' : 'adds '}${round(median(p50), 2)} ms p50, ${round(median(p99), 2)} ms p99 ` +
      `(rounds: ${p99.map(value => round(value, 2)).join(', ')})`
  )
await Promise.all([stop(sluice), stop(bare), stop(upstream)])
process.exit(0)

/** Requests a second with all connections busy. */
async function saturate(pool: Pool, path: string, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1000
  let done = 0
  await Promise.all(
    Array.from({ length: 64 }, async () => {
      while (performance.now() < end) {
        await get(pool, path)
        done++
      }
    })
  )
  return done / seconds
}

async function offer(pool: Pool, path: string, rate: number): Promise<{ p50: number; p99: number }> {
  const times: number[] = []
  const start = performance.now()
  const total = rate * SECONDS
  const pending: Promise<unknown>[] = []
  while (pending.length < total) {
    const due = ((performance.now() - start) / 1000) * rate
    while (pending.length < Math.min(due, total)) {
      const planned = start + (pending.length / rate) * 1000
      pending.push(get(pool, path).then(() => times.push(performance.now() - planned)))
    }
    await new Promise(setImmediate)
  }
  await Promise.all(pending)
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(times.length * share)] as number
  return { p50: at(0.5), p99: at(0.99) }
}

async function get(pool: Pool, path: string): Promise<void> {
  const { statusCode, body } = await pool.request({ path, method: 'GET' })
  await body.dump()
  if (statusCode !== 200) throw new Error(`answered ${statusCode}`)
}
