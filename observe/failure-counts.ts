import type { Cause } from '../http/cause.ts'
import type { Exchange } from '../http/exchange.ts'

/** Exchanges of one scope that failed for one cause at one endpoint, since the start. */
export interface FailureCount {
  /** '' for exchanges outside of all scopes. */
  scope: string
  upstream: string | undefined
  endpoint: string | undefined
  cause: Cause
  count: number
  /** Exchanges with a 5xx among them. */
  errors: number
}

/** Combinations that are counted; endpoints come and go with DNS. Beyond, the one that failed first is dropped. */
const MAX_COMBINATIONS = 500

/** Counts failed exchanges for the overview; the metric has no endpoints. */
export class FailureCounts {
  readonly #counts = new Map<string, FailureCount>()

  /** Counts an exchange that has ended, if it failed. */
  note({ config, failure, upstream: called, status }: Exchange): void {
    if (failure === undefined) return
    const { scope = '' } = config
    const { upstream = called, endpoint, cause } = failure
    const key = `${scope}\n${upstream}\n${endpoint}\n${cause}`
    let known = this.#counts.get(key)
    if (known === undefined) {
      known = { scope, upstream, endpoint, cause, count: 0, errors: 0 }
      if (this.#counts.size >= MAX_COMBINATIONS)
        this.#counts.delete(this.#counts.keys().next().value as string)
      this.#counts.set(key, known)
    }
    known.count++
    if (status >= 500) known.errors++
  }

  list(): FailureCount[] {
    return [...this.#counts.values()]
  }
}
