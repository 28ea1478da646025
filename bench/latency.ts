import { type Dispatcher, Pool } from 'undici'
import { type MeasuredProcess, pinSelf, startGateway, startScript, stop } from './process.ts'
import { median, quartiles, round } from './statistics.ts'

/**
 * Measures the latency that a gateway adds at half of its capacity: `npm run bench:latency`. Requests are sent on schedule,
 * and their latency counts from the scheduled time (no coordinated omission). Each round runs the service alone, Sluice and
 * @fastify/http-proxy at the same rate. Fails if Sluice adds more to the 99th percentile than @fastify/http-proxy.
 * `-- 30` sets the number of rounds.
 *
 * The warm-up runs at full and half load, since V8's compiler and collector threads compete for the subject's core until
 * the code is optimized.
 */
const ROUNDS = Number(process.argv[2] ?? 15)
const CONNECTIONS = 64
/** Seconds. */
const WARM_UP_FULL = 12
const WARM_UP_HALF = 30
const ROUND = 2
/** Seconds to measure the current capacity, which changes on a shared machine. */
const GAUGE = 0.5
/** Milliseconds of sleep per loop turn: this process shares its core with the service. */
const NAP = 0.2
const CELL = new Int32Array(new SharedArrayBuffer(4))

pinSelf(1)
const upstream = await startScript('upstream.ts', {}, 1)
const env = { UPSTREAM: upstream.url, OBSERVE: '' }
const sluice = await startGateway('subjects/sluice.ts', env)
const httpProxy = await startScript('subjects/http-proxy.ts', env, 0)
const targets = {
  direct: createTarget(upstream, '/products/1'),
  sluice: createTarget(sluice, '/plain/1'),
  'http-proxy': createTarget(httpProxy, '/products/1')
}

for (const target of Object.values(targets)) await saturate(target, WARM_UP_FULL)
const half = (await saturate(targets.sluice, GAUGE)) / 2
for (const target of Object.values(targets)) await sendAtRate(target, half, WARM_UP_HALF)

const series = Object.entries(targets).map(
  ([name, target]) => ({ name, target, p50: [], p99: [] }) as LatencySeries
)
const rates: number[] = []
for (let i = 0; i < ROUNDS; i++) {
  const rate = (await saturate(targets.sluice, GAUGE)) / 2
  rates.push(rate)
  for (const { target, p50, p99 } of series) {
    const latencies = await sendAtRate(target, rate, ROUND)
    p50.push(latencies[Math.floor(latencies.length * 0.5)] as number)
    p99.push(latencies[Math.floor(latencies.length * 0.99)] as number)
  }
}
console.log(`${describe(rates, 0)} requests per second`)
const [direct, ...gateways] = series as [LatencySeries, LatencySeries, LatencySeries]
console.log(`direct: ${describe(direct.p50)} ms p50, ${describe(direct.p99)} p99`)
const [sluiceP99, httpProxyP99] = gateways.map(({ name, p50, p99 }) => {
  const added = subtract(p99, direct.p99)
  console.log(`${name}: adds ${describe(subtract(p50, direct.p50))} ms p50, ${describe(added)} p99`)
  return median(added)
}) as [number, number]
await Promise.all([stop(sluice), stop(httpProxy), stop(upstream)])
process.exit(sluiceP99 < httpProxyP99 ? 0 : 1)

interface Target {
  path: string
  pool: Pool
}

interface LatencySeries {
  name: string
  target: Target
  /** Milliseconds, one per round. */
  p50: number[]
  p99: number[]
}

function createTarget({ url }: MeasuredProcess, path: string): Target {
  return { path, pool: new Pool(url, { connections: CONNECTIONS }) }
}

/** Returns requests per second with all connections busy. */
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

/** Sends `rate` requests per second. Returns the sorted latencies in milliseconds. */
async function sendAtRate(target: Target, rate: number, seconds: number): Promise<Float64Array> {
  const latencies = new Float64Array(Math.floor(rate * seconds))
  const start = performance.now()
  let sent = 0
  let completed = 0
  while (completed < latencies.length) {
    const due = Math.min(((performance.now() - start) / 1_000) * rate, latencies.length)
    for (; sent < due; sent++) {
      const scheduledAt = start + (sent / rate) * 1_000
      get(target, () => {
        latencies[completed++] = performance.now() - scheduledAt
      })
    }
    Atomics.wait(CELL, 0, 0, NAP)
    await new Promise(setImmediate)
  }
  return latencies.sort()
}

/** Uses undici's handler interface: a promise and a stream per response would be measured too. */
function get({ pool, path }: Target, done: () => void): void {
  let status = 0
  pool.dispatch({ path, method: 'GET' }, {
    onRequestStart() {},
    onResponseStart(_controller, statusCode) {
      status = statusCode
    },
    onResponseData() {},
    onResponseEnd() {
      if (status !== 200) throw new Error(`unexpected status ${status}`)
      done()
    },
    onResponseError(_controller, error) {
      throw error
    }
  } satisfies Dispatcher.DispatchHandler)
}

function subtract(a: number[], b: number[]): number[] {
  return a.map((value, i) => value - (b[i] as number))
}

function describe(values: number[], places = 2): string {
  const { low, median, high } = quartiles(values)
  return `${round(median, places)} (${round(low, places)} to ${round(high, places)})`
}
