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
  since?: string | number | null
  /** Page of the dashboard with its parameters: `upstreams?name=orders`. */
  page?: string | null
}

export interface FrequentCause {
  scope: string
  upstream?: string | null
  cause: string
  rate: number
  /** Share of the requests of the scope. */
  ratio: number
}

export interface Overview {
  version: string
  startedAt: string
  state: string
  workers: { ready: number; total: number }
  scopes: ({ scope: string } & Rates)[]
  /** Undefined in the first 10 s. */
  total?: Rates
  /** The most frequent causes of the last 10 s. */
  causes?: FrequentCause[]
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

/** A path with all methods that have the same options. */
export interface Route {
  methods: string[]
  path: string
  scope?: string
  version?: string
  /** In the order in which a request meets them. */
  patterns: { name: string; detail: string }[]
}

export interface RouteRate {
  route: string
  method: string
  scope?: string | null
  version?: string | null
  rate: number | null
  errorRatio: number | null
  p50: number | null
  p99: number | null
}

export interface LastError {
  at: number
  cause: string
  detail?: string
}

/** An override by an operator. */
export interface Action {
  id: string
  upstream: string
  endpoint?: string
  action: ActionName
  until: string
  by: string
  reason?: string
}

export type ActionName = 'drain' | 'eject' | 'open' | 'reset'

type AppliedAction = Pick<Action, 'id' | 'action' | 'until' | 'by'>
/** Workers by the state that they report; only if they differ. */
type ByState = { workers?: Record<string, number[]> }

export interface Endpoint extends ByState {
  url: string
  state: string
  ejectedUntil?: number
  weight: number
  inFlight: number
  calls: number
  failures: number
  latency: number
  ejections: number
  check?: { passed: number; failed: number }
  lastError?: LastError
  action?: AppliedAction
}

export interface Breaker extends ByState {
  state: string
  /** Within the rolling window. */
  calls: number
  failures: number
  slow: number
  /** Since the start. */
  rejected: number
  opened: number
  since?: number
  until?: number
  history?: { at: number; state: string; cause?: string }[]
  action?: AppliedAction
}

export interface Upstream {
  name: string
  breaker: Breaker
  calls: { running: number; queued: number; rejected: number; retries: number; exhausted: number }
  endpoints: Endpoint[]
  mirror?: { sent: number; dropped: number; failed: number }
}

export interface Limits extends ByState {
  store: 'redis' | 'supervisor' | 'memory'
  state: 'up' | 'unavailable'
  since: string
  reason?: string
  tiers: { name: string; decisions: Record<string, number> }[]
  near?: { tier: string; by: string; key: string; used: number; limit: number; resetsAt: string | number }[]
}

/** A recorded exchange. */
export interface Summary {
  id: string
  requestId: string
  trace: string
  at: string
  method: string
  url: string
  route?: string
  scope?: string
  version?: string
  /** 0 if no response was started. */
  status: number
  abortReason?: string
  consumer?: string
  clientAddress?: string
  tier?: string
  upstream?: string
  endpoint?: string
  /** Calls of the upstream. */
  attempts?: number
  cause?: string
  causeDetail?: string
  bytesReceived?: number
  bytesSent?: number
  durationMs: number
  stages?: { queueMs: number; upstreamMs: number; sendMs?: number }
}

export type Header = [name: string, value: string]

export interface Message {
  headers: Header[]
  body?: Body
}

export interface Body {
  type: string
  size: number
  isTruncated: boolean
  text?: string
  base64?: string
  /** Reason for showing neither text nor base64. */
  hidden?: string
}

export interface Detail extends Summary {
  httpVersion: string
  isSecure: boolean
  request: Message
  response: Message & { statusText: string }
  upstreamAttempts?: Attempt[]
}

/** A request to a service. Offsets in ms from the start of the exchange. */
export interface Attempt {
  upstream: string
  endpoint: string
  part?: string
  /** 0 for the first attempt. */
  retry: number
  isMirror?: boolean
  startMs: number
  headersMs?: number
  endMs?: number
  status?: number
  cause?: string
  causeDetail?: string
  method?: string
  path?: string
  request?: Message
  response?: Message
}

export interface Capture {
  id: string
  state: string
  startedAt: string
  endsAt: string
  match: { consumer?: string; route?: string; header?: { name: string } }
  taken: number
  bytes: number
}

export type { VersionStatus } from '../../versions/registry.ts'
