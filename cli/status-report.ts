import { alignColumns, sanitize } from './command.ts'

/** `GET /overview`, as far as it is shown. */
export interface Overview {
  version: string
  startedAt: string
  state: string
  workers: { ready: number; total: number }
  problems: { severity: string; message: string; since: string | null }[]
  total?: Rates
  scopes: ({ scope: string } & Rates)[]
}

interface Rates {
  rate: number | null
  errorRatio: number | null
  p50: number | null
  p95: number | null
  p99: number | null
}

/** `GET /upstreams`, as far as it is shown. */
export interface UpstreamStatus {
  name: string
  breaker: { state: string; since?: string; until?: string; action?: { by: string; until: string } }
  endpoints: {
    url: string
    state: string
    inFlight: number
    ejectedUntil?: string
    lastError?: { at: string; cause: string; detail?: string }
    action?: { action: string; by: string; until: string }
  }[]
}

type Paint = (format: 'red' | 'yellow' | 'green' | 'bold', text: string) => string

/** Formats the state of a gateway: the summary, what is wrong, rates by scope and endpoints by upstream. */
export function describeStatus(
  { version, startedAt, state, workers, problems, total, scopes }: Overview,
  upstreams: UpstreamStatus[],
  now: number,
  paint: Paint
): string[] {
  const uptime = formatAge(now - Date.parse(startedAt))
  const summary = `sluice ${version}, up ${uptime}, ${workers.ready} of ${workers.total} workers ready`
  const isReady = state === 'ready'
  return [
    `${paint(isReady ? 'green' : 'red', sanitize(state))}  ${sanitize(summary)}`,
    '',
    ...(problems.length === 0
      ? ['nothing is wrong']
      : problems.map(problem => describeProblem(problem, now, paint))),
    ...section(RATES, rateRows(total, scopes), paint),
    ...section(
      ENDPOINTS,
      upstreams.flatMap(upstream => endpointRows(upstream, now)),
      paint
    )
  ]
}

const RATES = ['SCOPE', 'REQUESTS', 'ERRORS', 'P50', 'P95', 'P99']
const ENDPOINTS = ['UPSTREAM', 'BREAKER', 'ENDPOINT', 'STATE', 'IN FLIGHT', 'LAST ERROR']

function section(header: string[], rows: string[][], paint: Paint): string[] {
  if (rows.length === 0) return []
  const [first = '', ...others] = alignColumns([header, ...rows.map(row => row.map(sanitize))])
  return ['', paint('bold', first), ...others]
}

function describeProblem(
  { severity, message, since }: Overview['problems'][number],
  now: number,
  paint: Paint
): string {
  const age = since === null ? '' : ` (since ${formatAge(now - Date.parse(since))})`
  const label = paint(severity === 'critical' ? 'red' : 'yellow', sanitize(severity.padEnd(8)))
  return `${label}  ${sanitize(message)}${age}`
}

function rateRows(total: Rates | undefined, scopes: Overview['scopes']): string[][] {
  if (total === undefined) return []
  return [{ scope: 'all', ...total }, ...scopes].map(({ scope, rate, errorRatio, p50, p95, p99 }) => [
    scope,
    rate === null ? '-' : `${round(rate)}/s`,
    errorRatio === null ? '-' : `${round(errorRatio * 100)}%`,
    ...[p50, p95, p99].map(ms => (ms === null ? '-' : `${round(ms)}ms`))
  ])
}

function endpointRows({ name, breaker, endpoints }: UpstreamStatus, now: number): string[][] {
  return endpoints.map(({ url, state, inFlight, ejectedUntil, lastError, action }, index) => {
    const held = action && `${action.action} by ${action.by} until ${action.until}`
    const error = lastError && `${lastError.cause} ${formatAge(now - Date.parse(lastError.at))} ago`
    return [
      index === 0 ? name : '',
      index === 0 ? describeBreaker(breaker, now) : '',
      url,
      held ??
        (ejectedUntil === undefined
          ? state
          : `${state}, back in ${formatAge(Date.parse(ejectedUntil) - now)}`),
      String(inFlight),
      [error ?? '-', lastError?.detail].filter(Boolean).join(': ')
    ]
  })
}

function describeBreaker({ state, since, until, action }: UpstreamStatus['breaker'], now: number): string {
  if (action !== undefined) return `${state} by ${action.by} until ${action.until}`
  if (state === 'closed') return state
  const parts = [
    since === undefined ? state : `${state} for ${formatAge(now - Date.parse(since))}`,
    ...(until === undefined ? [] : [`tries in ${formatAge(Date.parse(until) - now)}`])
  ]
  return parts.join(', ')
}

/** Rounds to three digits. */
function round(number: number): number {
  return Number(number.toPrecision(3))
}

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1]
] as const

/** Formats 5,025,000 ms as `1h 23m`. */
export function formatAge(ms: number): string {
  let seconds = Math.max(0, Math.round(ms / 1_000))
  const parts: string[] = []
  for (const [unit, size] of UNITS) {
    const count = Math.floor(seconds / size)
    seconds -= count * size
    if (count > 0 || (unit === 's' && parts.length === 0)) parts.push(`${count}${unit}`)
    // The next smaller unit is enough.
    else if (parts.length > 0) break
    if (parts.length === 2) break
  }
  return parts.join(' ')
}
