import { type Dispatcher, Pool } from 'undici'
import { type Measured, pinSelf, startGateway, startScript, stop } from './process.ts'
import { median, quartiles, round } from './statistics.ts'

/**
 * The latency that a gateway adds at half of its capacity: `npm run bench:latency`. Requests leave on time, whether or not
 * earlier ones have been answered, and their time counts from when they should have left (no coordinated omission).
 * Rounds of the service alone, of Sluice and of a bare @fastify/http-proxy take turns, all three at the same rate. Fails if
 * Sluice adds more to the 99th percentile than bare does. `-- 30` for another number of rounds.
 *
 * V8 compiles for as long as it learns something new: while its threads do so, and while they look through the heap, they
 * share the core with the one that serves. So each is loaded for a while before anything is counted, fully and by half.
 */
const ROUNDS = Number(process.argv[2] ?? 15)
const CONNECTIONS = 64
/** Seconds. */
const FULL = 12
const HALF = 30
const ROUND = 2
/** What its capacity is now: on a machine that others use too it is another one at any time. */
const GAUGE = 0.5
/** Milliseconds that this process sleeps between two looks at the clock: it shares its core with the service. */
const NAP = 0.2
const CELL = new Int32Array(new SharedArrayBuffer(4))

pinSelf(1)
const upstream = await startScript('upstream.ts', {}, 1)
const env = { UPSTREAM: upstream.url, QUIET: '1' }
const sluice = await startGateway('subjects/sluice.ts', env)
const bare = await startScript('subjects/bare.ts', env, 0)
const subjects = {
  direct: target(upstream, '/products/1'),
  sluice: target(sluice, '/plain/1'),
  bare: target(bare, '/products/1')
}

for (const subject of Object.values(subjects)) await saturate(subject, FULL)
const half = (await saturate(subjects.sluice, GAUGE)) / 2
for (const subject of Object.values(subjects)) await offer(subject, half, HALF)

const seen = Object.entries(subjects).map(([name, target]) => ({ name, target, p50: [], p99: [] }) as Seen)
const rates: number[] = []
for (let i = 0; i < ROUNDS; i++) {
  const rate = (await saturate(subjects.sluice, GAUGE)) / 2
  rates.push(rate)
  for (const { target, p50, p99 } of seen) {
    const times = await offer(target, rate, ROUND)
    p50.push(times[Math.floor(times.length * 0.5)] as number)
    p99.push(times[Math.floor(times.length * 0.99)] as number)
  }
}
console.log(`${describe(rates, 0)} requests a second offered`)
const [direct, ...gateways] = seen as [Seen, Seen, Seen]
console.log(`direct: ${describe(direct.p50)} ms p50, ${describe(direct.p99)} p99`)
const [ours, theirs] = gateways.map(({ name, p50, p99 }) => {
  const added = minus(p99, direct.p99)
  console.log(`${name}: adds ${describe(minus(p50, direct.p50))} ms p50, ${describe(added)} p99`)
  return median(added)
}) as [number, number]
await Promise.all([stop(sluice), stop(bare), stop(upstream)])
process.exit(ours < theirs ? 0 : 1)

interface Target {
  path: string
  pool: Pool
}

interface Seen {
  name: string
  target: Target
  /** Milliseconds, one a round. */
  p50: number[]
  p99: number[]
}

function target({ url }: Measured, path: string): Target {
  return { path, pool: new Pool(url, { connections: CONNECTIONS }) }
}

/** Requests a second with all connections busy. */
async function saturate(target: Target, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1_000
  let done = 0
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      for (; performance.now() < end; done++) await new Promise<void>(resolve => get(target, resolve))
    })
  )
  return done / seconds
}

/** Milliseconds that each request took, in order of size. */
async function offer(target: Target, rate: number, seconds: number): Promise<Float64Array> {
  const times = new Float64Array(Math.floor(rate * seconds))
  const start = performance.now()
  let sent = 0
  let answered = 0
  while (answered < times.length) {
    const due = Math.min(((performance.now() - start) / 1_000) * rate, times.length)
    for (; sent < due; sent++) {
      const planned = start + (sent / rate) * 1_000
      get(target, () => {
        times[answered++] = performance.now() - planned
      })
    }
    Atomics.wait(CELL, 0, 0, NAP)
    await new Promise(setImmediate)
  }
  return times.sort()
}

/** With undici's own callbacks: what a promise and a stream for each answer take would be measured too. */
function get({ pool, path }: Target, done: () => void): void {
  let status = 0
  pool.dispatch({ path, method: 'GET' }, {
    onRequestStart() {},
    onResponseStart(_controller, statusCode) {
      status = statusCode
    },
    onResponseData() {},
    onResponseEnd() {
      if (status !== 200) throw new Error(`answered ${status}`)
      done()
    },
    onResponseError(_controller, error) {
      throw error
    }
  } satisfies Dispatcher.DispatchHandler)
}

function minus(a: number[], b: number[]): number[] {
  return a.map((value, i) => value - (b[i] as number))
}

function describe(values: number[], places = 2): string {
  const { low, median, high } = quartiles(values)
  return `${round(median, places)} (${round(low, places)} to ${round(high, places)})`
}
