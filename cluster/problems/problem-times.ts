import { type Problem, toIso } from './problem.ts'

/** Problems that are remembered. */
const MAX_PROBLEMS = 1_000
/** Milliseconds without a look after which a problem counts as a new one: it may have been gone meanwhile. */
const FORGOTTEN_AFTER = 60_000

/** Remembers when problems were seen first, for those whose start is not known. Problems are looked for only on request. */
export class ProblemTimes {
  #first = new Map<string, number>()
  #lookedAt = Number.NEGATIVE_INFINITY

  /** Returns the problems with `since`, and forgets all others. */
  date(problems: readonly Problem[], now = Date.now()): Problem[] {
    const known = now - this.#lookedAt > FORGOTTEN_AFTER ? new Map<string, number>() : this.#first
    this.#lookedAt = now
    this.#first = new Map()
    return problems.map(problem => {
      const key = JSON.stringify([problem.kind, problem.subject])
      const first = known.get(key) ?? now
      if (this.#first.size < MAX_PROBLEMS) this.#first.set(key, first)
      return { ...problem, since: problem.since ?? toIso(first) }
    })
  }
}
