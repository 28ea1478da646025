/** What a load saw, by kind. */
export interface Tally {
  done: Record<string, number>
  /** Milliseconds. */
  times: Record<string, number[]>
  /** Kind and what was wrong, with how often. */
  failures: Record<string, number>
  /** The first of them, with the time and all that is known. */
  samples: string[]
  /** Things that a drain may do, by name. */
  seen: Record<string, number>
  editions: Record<string, number>
}

export class Counter {
  tally: Tally = empty()

  done(kind: string, ms: number, edition?: string): void {
    const { done, times, editions } = this.tally
    done[kind] = (done[kind] ?? 0) + 1
    times[kind] ??= []
    times[kind].push(ms)
    if (edition !== undefined) editions[edition] = (editions[edition] ?? 0) + 1
  }

  failed(kind: string, what: string, more = ''): void {
    const { failures, samples } = this.tally
    const key = `${kind}: ${what}`
    failures[key] = (failures[key] ?? 0) + 1
    if (samples.length < 20) samples.push(`${new Date().toISOString()} ${key} ${more}`)
  }

  saw(what: string): void {
    this.tally.seen[what] = (this.tally.seen[what] ?? 0) + 1
  }

  /** And begins anew. */
  take(): Tally {
    const { tally } = this
    this.tally = empty()
    return tally
  }
}

function empty(): Tally {
  return { done: {}, times: {}, failures: {}, samples: [], seen: {}, editions: {} }
}
