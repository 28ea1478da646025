import { createProblem, type ProblemError } from '../http/problem.ts'
import type { VersionOptions } from '../schemas/options/versions.ts'

const VersionBrownout = createProblem(
  'SLUICE_VERSION_BROWNOUT',
  'This API version is switched off for a while, because it will end',
  410
)
const VersionGone = createProblem('SLUICE_VERSION_GONE', 'This API version has ended', 410)

export type VersionState = 'current' | 'deprecated' | 'brownout' | 'gone'

export interface Lifecycle {
  /** `Deprecation` (RFC 9745) and `Sunset` (RFC 8594), if these dates are declared. */
  headers: Record<string, string>
  /** True if the version has a sunset or a brownout. */
  ends: boolean
  /** @param now epoch ms */
  stateAt(now: number): VersionState
  /** Returns a 410 if the version is not served at `now`, epoch ms. */
  errorAt(now: number): ProblemError | undefined
}

/**
 * Returns what a version's dates mean at any time.
 * @param successor version to use instead, for the 410
 */
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

  /** Returns the milliseconds until the brownout at `now` is over, or 0 outside of brownouts. */
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
    errorAt(now) {
      if (now >= sunset) return new VersionGone({ members: { successor } })
      const left = brownoutLeft(now)
      if (left <= 0) return undefined
      const retryAfter = Math.ceil(left / 1000)
      return new VersionBrownout({
        members: { successor, retryAfter },
        // Caches may store a 410 (RFC 9110, 15.5.11), and this one ends.
        headers: { 'retry-after': String(retryAfter), 'cache-control': 'no-store' }
      })
    }
  }
}
