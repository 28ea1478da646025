/** An endpoint, as policies see it. */
export interface Candidate {
  readonly weight: number
  readonly inFlight: number
  /** Hash of the URL; the same in all gateways. */
  readonly hash: number
}

/**
 * Chooses an endpoint.
 * @param candidates at least one; the same array always has the same endpoints and weights
 * @param key hash of the request's key; 0 unless the policy is `hash`
 */
export type Policy = <Member extends Candidate>(candidates: readonly Member[], key: number) => Member

/** Like `Math.random`. */
export type Random = () => number
