/** What a policy sees of an endpoint. */
export interface Candidate {
  readonly weight: number
  readonly inFlight: number
  /** Of its URL: the same in every gateway. */
  readonly hash: number
}

/**
 * Chooses one of `candidates`, of which there is at least one. The same array means the same endpoints with the same
 * weights. `key`: a hash of what the request goes by, 0 unless the policy is `hash`.
 */
export type Policy = <Member extends Candidate>(candidates: readonly Member[], key: number) => Member

/** As `Math.random`. */
export type Random = () => number
