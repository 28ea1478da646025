/** JSON of the admin API, as far as the dashboard reads it. Times are epoch ms, durations ms, rates per second, ratios 0 to 1. */

export interface Rates {
  rate: number | null
  errorRatio: number | null
  p50: number | null
  p95: number | null
  p99: number | null
}

/** Something that is wrong now. */
export interface Problem {
  kind: string
  severity: 'critical' | 'warning'
  subject: string
  message: string
  since?: number | null
  /** Page of the dashboard with its parameters: `upstreams?name=orders`. */
  page?: string | null
}

export interface Overview {
  version: string
  startedAt: number
  state: string
  workers: { ready: number; total: number }
  scopes: ({ scope: string } & Rates)[]
  total: Rates
  problems: Problem[]
}

type Samples = Record<keyof Rates, (number | null)[]>

export interface History {
  /** Milliseconds between samples. */
  interval: number
  times: number[]
  total: Samples
  scopes: Record<string, Samples>
}
