/** Something that is wrong now, for operators. */
export interface Problem {
  kind: ProblemKind
  /** `critical`: requests fail. `warning`: they will, or the gateway has lost a safeguard. */
  severity: 'critical' | 'warning'
  /** Name of the upstream, endpoint, scope, worker or file. */
  subject: string
  /** The fault, and the way to its fix. */
  message: string
  /** ISO instant; null if unknown. */
  since: string | null
  /** Page of the dashboard that shows more, with its parameters, such as `upstreams?name=orders`. */
  page: string
}

export type ProblemKind =
  | 'not-ready'
  | 'worker-unresponsive'
  | 'worker-crashed'
  | 'reload-failed'
  | 'breaker-open'
  | 'endpoint-unhealthy'
  | 'endpoint-ejected'
  | 'endpoint-slow'
  | 'operator-action'
  | 'limits-unavailable'
  | 'limit-reached'
  | 'issuer-unavailable'
  | 'certificate-expires'
  | 'overload'
  | 'log-entries-dropped'
  | 'errors'

/** @param time epoch milliseconds */
export function toIso(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString()
}

/** Returns a ratio in per cent. */
export function percent(ratio: number): string {
  return ratio > 0 && ratio < 0.01 ? 'less than 1 %' : `${Math.round(ratio * 100)} %`
}

/** Returns a page with its parameters. */
export function pageOf(name: string, parameters: Record<string, string | undefined>): string {
  const given = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${encodeURIComponent(value)}`
  )
  return `${name}?${given.join('&')}`
}
