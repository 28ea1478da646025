import type { FailureCount } from '../observe/failure-counts.ts'
import { rounded } from './rates.ts'

/** Why exchanges of a scope failed in the last sample. */
export interface FrequentCause {
  /** '' for exchanges outside of all scopes. */
  scope: string
  upstream?: string
  /** The one at which most of them failed. */
  endpoint?: string
  cause: string
  /** Exchanges in the sample. */
  count: number
  /** Exchanges a second. */
  rate: number
  /** Share of the scope's exchanges. */
  ratio: number
  /** Share of the scope's exchanges that got a 5xx for this cause. */
  errorRatio: number
}

const TOP = 10

/** Adds up the failures that several workers have counted since the previous sample. */
export class FailureDeltas {
  readonly #last = new Map<number, { counts: Map<string, FailureCount>; isFinal: boolean }>()
  #deltas = new Map<string, FailureCount>()

  /** @param isFinal ignores later counts, such as late responses */
  read(worker: number, failures: FailureCount[], isFinal = false): void {
    const last = this.#last.get(worker)
    if (last?.isFinal) return
    const counts = new Map(failures.map(failure => [keyOf(failure), failure]))
    for (const [key, failure] of counts) {
      const before = last?.counts.get(key)
      const delta = this.#deltas.get(key) ?? { ...failure, count: 0, errors: 0 }
      delta.count += Math.max(0, failure.count - (before?.count ?? 0))
      delta.errors += Math.max(0, failure.errors - (before?.errors ?? 0))
      this.#deltas.set(key, delta)
    }
    this.#last.set(worker, { counts, isFinal })
  }

  /**
   * Returns the most frequent causes since the previous call, and forgets workers that do not run any more.
   * @param exchangesOf exchanges of a scope since then
   */
  take(
    running: ReadonlySet<number>,
    seconds: number,
    exchangesOf: (scope: string) => number
  ): FrequentCause[] {
    const failed = [...this.#deltas.values()].filter(({ count }) => count > 0)
    this.#deltas = new Map()
    for (const worker of this.#last.keys()) if (!running.has(worker)) this.#last.delete(worker)
    const byCause = Map.groupBy(failed, ({ scope, upstream, cause }) => `${scope}\n${upstream}\n${cause}`)
    return [...byCause.values()]
      .map(all => {
        const [{ scope, upstream, cause, endpoint }] = all.toSorted((a, b) => b.count - a.count) as [
          FailureCount
        ]
        const count = all.reduce((sum, { count }) => sum + count, 0)
        const errors = all.reduce((sum, { errors }) => sum + errors, 0)
        const exchanges = Math.max(count, exchangesOf(scope))
        return {
          scope,
          ...(upstream !== undefined && { upstream }),
          ...(endpoint !== undefined && { endpoint }),
          cause,
          count,
          rate: rounded(count / seconds) as number,
          ratio: rounded(count / exchanges) as number,
          errorRatio: rounded(errors / exchanges) as number
        }
      })
      .sort((a, b) => b.rate - a.rate)
      .slice(0, TOP)
  }
}

function keyOf({ scope, upstream, endpoint, cause }: FailureCount): string {
  return `${scope}\n${upstream}\n${endpoint}\n${cause}`
}
