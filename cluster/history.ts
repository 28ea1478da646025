import { type CounterSample, type ExchangeCounts, noCounts } from '../observe/exchange-counts.ts'
import type { Cluster } from './cluster-types.ts'
import { CountDeltas } from './count-deltas.ts'
import { FailingScopes } from './failing-scopes.ts'
import { FailureDeltas, type FrequentCause } from './failure-deltas.ts'
import { GrowingCounter, type Growth } from './growing-counter.ts'
import { exchangesOf, type Rates, ratesOf, rounded } from './rates.ts'
import { ask, read } from './worker-requests.ts'

/** The exchanges of the last hour by scope, sampled from the workers' counters. */
export interface History {
  /** Starts to sample every `INTERVAL`. Returns a function that stops it. */
  start(): () => void
  /** Reads the counters of all workers. */
  sample(): Promise<void>
  /** Adds the final counters of a worker. */
  end(worker: number, sample: CounterSample): void
  /** Returns the last sample; undefined before the first. */
  latest(): LatestRates | undefined
  view(): HistoryView
  /** Returns since when a scope fails, in epoch milliseconds; undefined if it does not. */
  failingSince(scope: string): number | undefined
  /** Counters that have grown, by name. */
  readonly growth: Record<'shed' | 'droppedLogEntries', Growth>
}

export interface LatestRates {
  total: Rates
  scopes: ({ scope: string } & Rates)[]
  /** The most frequent first. */
  causes: FrequentCause[]
}

/** Columns of `GET /history`: one value for each of `times`. */
export type Columns = Record<keyof Rates, (number | null)[]>

export interface HistoryView {
  /** Milliseconds between two samples. */
  interval: number
  /** Ends of the samples in epoch milliseconds. */
  times: number[]
  total: Columns
  scopes: Record<string, Columns>
}

export const INTERVAL = 10_000
/** An hour. */
const SAMPLES = 360
const MAX_SCOPES = 64

const COLUMNS = ['rate', 'errorRatio', 'rejectedRatio', 'p50', 'p95', 'p99'] as const

export function createHistory(cluster: Pick<Cluster, 'workers'>): History {
  const deltas = new CountDeltas(MAX_SCOPES, performance.now())
  const failures = new FailureDeltas()
  const failing = new FailingScopes()
  let storedAt = performance.now()
  const times = new Float64Array(SAMPLES)
  const total = new Ring()
  const scopes = new Map<string, Ring>()
  const growth = {
    shed: new GrowingCounter(),
    droppedLogEntries: new GrowingCounter()
  }
  let count = 0
  let latest: LatestRates | undefined
  let isSampling = false

  return {
    start() {
      const timer = setInterval(sample, INTERVAL).unref()
      return () => clearInterval(timer)
    },
    sample,
    end(worker, last) {
      deltas.end(worker, last.scopes)
      failures.read(worker, last.failures, true)
      note(worker, last)
    },
    latest: () => latest,
    failingSince: scope => failing.since(scope),
    view: () => {
      const from = Math.max(0, count - SAMPLES)
      const places = Array.from({ length: count - from }, (_, i) => (from + i) % SAMPLES)
      return {
        interval: INTERVAL,
        times: places.map(at => times[at] as number),
        total: total.columns(places),
        scopes: Object.fromEntries([...scopes].map(([name, ring]) => [name, ring.columns(places)]))
      }
    },
    growth
  }

  async function sample(): Promise<void> {
    if (isSampling) return
    isSampling = true
    const now = performance.now()
    const asked = cluster.workers().filter(({ state }) => state !== 'starting')
    const settled = await Promise.allSettled(asked.map(worker => ask(worker, '/counters')))
    isSampling = false
    for (const one of settled) {
      if (one.status === 'rejected' || one.value.status !== 200) continue
      const counters = read<CounterSample>(one.value)
      deltas.read(one.value.worker.id, counters.scopes, now)
      failures.read(one.value.worker.id, counters.failures)
      note(one.value.worker.id, counters)
    }
    store(now)
  }

  function note(worker: number, { shed, droppedLogEntries }: CounterSample): void {
    growth.shed.note(worker, shed)
    growth.droppedLogEntries.note(worker, droppedLogEntries)
  }

  function store(now: number): void {
    const running = new Set(cluster.workers().map(({ id }) => id))
    const taken = deltas.take(running, now)
    const at = count % SAMPLES
    times[at] = Date.now()
    const all = sumOf([...taken.values()].map(({ counts }) => counts))
    const rates = ratesOf(
      all,
      [...taken.values()].reduce((sum, { rate }) => sum + rate, 0)
    )
    total.set(at, rates)
    const shown: LatestRates['scopes'] = []
    // Exchanges outside of all scopes are part of the total only.
    for (const [scope, { counts, rate }] of taken) {
      if (scope === '') continue
      let ring = scopes.get(scope)
      if (ring === undefined && scopes.size < MAX_SCOPES) {
        ring = new Ring()
        scopes.set(scope, ring)
      }
      const own = ratesOf(counts, rate)
      ring?.set(at, own)
      shown.push({ scope, ...own })
    }
    for (const [scope, ring] of scopes) {
      if (taken.has(scope)) continue
      ring.clear(at)
      if (ring.isEmpty) scopes.delete(scope)
    }
    for (const counter of Object.values(growth)) counter.settle(running)
    const seconds = Math.max(1, now - storedAt) / 1_000
    const causes = failures.take(running, seconds, scope => exchangesOf(taken.get(scope)?.counts ?? []))
    storedAt = now
    failing.update(shown, Date.now() - seconds * 1_000)
    latest = { total: rates, scopes: shown, causes }
    count++
  }
}

/** The samples of one scope. Typed arrays, since objects would take several times the memory. */
class Ring {
  readonly #columns = COLUMNS.map(() => new Float32Array(SAMPLES).fill(Number.NaN))

  set(at: number, rates: Rates): void {
    for (const [i, name] of COLUMNS.entries())
      (this.#columns[i] as Float32Array)[at] = rates[name] ?? Number.NaN
  }

  clear(at: number): void {
    for (const column of this.#columns) column[at] = Number.NaN
  }

  get isEmpty(): boolean {
    return (this.#columns[0] as Float32Array).every(Number.isNaN)
  }

  columns(places: number[]): Columns {
    return Object.fromEntries(
      COLUMNS.map((name, i) => [name, places.map(at => rounded(this.#columns[i]?.[at] as number))])
    ) as Columns
  }
}

function sumOf(all: ExchangeCounts[]): ExchangeCounts {
  const sum = noCounts()
  for (const counts of all) for (const [i, value] of counts.entries()) sum[i] = (sum[i] as number) + value
  return sum
}
