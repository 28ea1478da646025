import type { NearLimit } from '../../limits/near-limits.ts'
import type { LatestRates } from '../history.ts'
import type { MergedLimits } from '../merge/limits.ts'
import { type Problem, pageOf, percent } from './problem.ts'

/** Consumers and scopes that a message names. */
const NAMED = 3

/** Problems of limits: they are not counted together, or requests are rejected by them. */
export function* limitProblems(
  limits: MergedLimits | undefined,
  latest: LatestRates | undefined,
  showsNames: boolean
): Generator<Problem> {
  if (limits?.state === 'unavailable') {
    const place = limits.store === 'redis' ? 'Redis' : 'the supervisor'
    yield {
      kind: 'limits-unavailable',
      severity: 'warning',
      subject: place,
      message: `Limits are not counted in ${place} (${limits.reason ?? 'unknown reason'}), so onRedisDown of each tier applies; check it and the way to it.`,
      since: limits.since,
      page: 'limits'
    }
  }
  const rejected = latest?.causes.filter(({ cause }) => cause === 'limit-reached') ?? []
  if (latest === undefined || rejected.length === 0) return
  const over = (limits?.near ?? []).filter(({ isOver }) => isOver)
  const tiers = [...new Set(over.map(({ tier }) => tier))]
  const count = rejected.reduce((sum, { count }) => sum + count, 0)
  const scopes = rejected.map(({ scope, ratio }) => `${percent(ratio)} of scope "${scope}"`)
  yield {
    kind: 'limit-reached',
    severity: 'warning',
    subject: tiers.length === 1 ? (tiers[0] as string) : 'limits',
    message: `${whoIsOver(over, showsNames)}: ${count} requests rejected in the last 10 s, ${firstOf(scopes)}; raise the limit, or ask for fewer requests.`,
    since: null,
    page: tiers.length === 1 ? pageOf('limits', { tier: tiers[0] }) : 'limits'
  }
}

function whoIsOver(over: NearLimit[], showsNames: boolean): string {
  const [first] = over
  if (first === undefined) return 'A limit is reached'
  const { tier, limit, windowMs } = first
  const isSame = over.every(one => one.tier === tier && one.limit === limit && one.windowMs === windowMs)
  const reached = isSame
    ? `the limit of tier "${tier}" (${limit} in ${windowMs / 1_000} s)`
    : `the limits of ${firstOf([...new Set(over.map(({ tier }) => `tier "${tier}"`))])}`
  const { by, key } = first
  if (over.length === 1)
    return `${showsNames ? `${by === 'consumer' ? 'Consumer' : 'Address'} "${key}"` : by === 'consumer' ? 'A consumer' : 'An address'} is over ${reached}`
  const names = over.map(({ by, key }) => `${by} "${key}"`)
  return `${over.length} consumers or addresses${showsNames ? ` (${firstOf(names)})` : ''} are over ${reached}`
}

function firstOf(names: string[]): string {
  return `${names.slice(0, NAMED).join(', ')}${names.length > NAMED ? ' and others' : ''}`
}
