import createError from '@fastify/error'
import type { ProblemError } from '../http/problem.ts'
import type { VersionOptions } from '../schemas/options/versions.ts'

const Brownout = createError(
  'SLUICE_VERSION_BROWNOUT',
  'This version will end, and is switched off for a while',
  410,
  Error,
  false
)
const Gone = createError('SLUICE_VERSION_GONE', 'This version has ended', 410, Error, false)

export type VersionState = 'current' | 'deprecated' | 'brownout' | 'gone'

export interface Lifecycle {
  /** `Deprecation` (RFC 9745) and `Sunset` (RFC 8594), as far as they are declared. */
  headers: Record<string, string>
  /** Whether it can ever be refused. */
  ends: boolean
  stateAt(now: number): VersionState
  /** 410 if it is not served at `now`, epoch ms. */
  refusalAt(now: number): ProblemError | undefined
}

/** A version's dates as what is to be done about them. `successor`: the version to name to who is refused. */
export function createLifecycle(options: VersionOptions, successor: string | undefined): Lifecycle {
  const deprecated = options.deprecated === undefined ? Infinity : Date.parse(options.deprecated)
  const sunset = options.sunset === undefined ? Infinity : Date.parse(options.sunset)
  const brownouts = options.brownouts.map(({ from, to, every }) => ({
    from: Date.parse(from),
    length: Date.parse(to) - Date.parse(from),
    every
  }))
  const headers: Record<string, string> = {}
  if (deprecated !== Infinity) headers.deprecation = `@${Math.floor(deprecated / 1000)}`
  if (sunset !== Infinity) headers.sunset = new Date(sunset).toUTCString()

  /** Milliseconds until the brownout at `now` is over, 0 if there is none. */
  function brownoutLeft(now: number): number {
    let left = 0
    for (const { from, length, every } of brownouts) {
      if (now < from) continue
      const passed = every === undefined ? now - from : (now - from) % every
      left = Math.max(left, length - passed)
    }
    return left
  }

  return {
    headers,
    ends: sunset !== Infinity || brownouts.length > 0,
    stateAt(now) {
      if (now >= sunset) return 'gone'
      if (brownoutLeft(now) > 0) return 'brownout'
      return now >= deprecated ? 'deprecated' : 'current'
    },
    refusalAt(now) {
      if (now >= sunset) {
        const error: ProblemError = new Gone()
        error.problem = { successor }
        return error
      }
      const left = brownoutLeft(now)
      if (left <= 0) return undefined
      const retryAfter = Math.ceil(left / 1000)
      const error: ProblemError = new Brownout()
      error.problem = { successor, retryAfter }
      // A 410 may be kept by caches (RFC 9110, 15.5.11), and this one does not last.
      error.headers = { 'retry-after': String(retryAfter), 'cache-control': 'no-store' }
      return error
    }
  }
}
