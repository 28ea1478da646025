/** Response of `GET /deploys`. Times are ISO instants. */
export interface Deploys {
  startedAt: string
  generation: number
  isReloading: boolean
  workers: Worker[]
  /** The last first. */
  reloads: Reload[]
  crashes: { at: string; worker: number; pid: number; generation: number; reason: string }[]
  certificates: Certificate[]
  issuers: Issuer[]
}

export interface Worker {
  id: number
  pid: number
  generation: number
  state: string
  startedAt: string
  connections: number
}

export interface Reload {
  at: string
  durationMs: number
  outcome: 'done' | 'failed'
  reason?: string
  trigger: { by: string; operator?: string }
  generation: number
  changes: { files: string[]; config: string[] }
}

export interface Certificate {
  usedBy: string
  subject: string
  names: string[]
  expiresAt: string
  fingerprint: string
}

export interface Issuer {
  name: string
  url: string
  state: string
  keys: number
  fetchedAt?: string
  failingSince?: string
  lastError?: string
  /** Workers by the state that they report; only if they differ. */
  workers?: Record<string, number[]>
}
