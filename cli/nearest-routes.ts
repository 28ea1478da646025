import type { ServedRoute } from '../observe/served-routes.ts'

/** Routes that are listed at most. */
const MAX_ROUTES = 8
/** Segments that a path must share with a scope's route to be near it. */
const MIN_SHARED = 1.5

/** Describes the scope whose routes share the most path segments with `path`, for a 404. */
export function nearestRoutes(table: ServedRoute[], path: string): string {
  const [first, ...others] = table
  if (first === undefined) return 'the config has no routes'
  const segments = path.split('/')
  const best = others.reduce(
    (one, other) => (sharedSegments(other, segments) > sharedSegments(one, segments) ? other : one),
    first
  )
  if (sharedSegments(best, segments) < MIN_SHARED) {
    const scopes = [...new Set(table.map(({ scope }) => scope))].filter(Boolean)
    return `no scope matches ${path}; scopes: ${scopes.join(', ')}`
  }
  const served = table.filter(({ scope }) => scope === best.scope)
  const names = [...new Set(served.map(({ methods, path }) => `${methods.join(',')} ${path}`))]
  const more = names.length > MAX_ROUTES ? ` and ${names.length - MAX_ROUTES} more` : ''
  return `nearest scope: ${best.scope} (${names.slice(0, MAX_ROUTES).join('; ')}${more})`
}

/** Counts leading segments in common; the first different one counts by the fraction that is equal. */
function sharedSegments({ path }: ServedRoute, segments: string[]): number {
  const own = path.split('/')
  const end = own.findIndex(
    (segment, i) => segment !== segments[i] && !segment.startsWith(':') && segment !== '*'
  )
  return end === -1 ? own.length : end + equalFraction(own[end] ?? '', segments[end] ?? '')
}

/** Returns less than 1. */
function equalFraction(one: string, other: string): number {
  let length = 0
  while (length < one.length && one[length] === other[length]) length++
  return length / (Math.max(one.length, other.length) + 1)
}
