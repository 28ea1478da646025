/** The object of an action: a breaker, or one endpoint. */
export interface Target {
  upstream: string
  endpoint?: string
}

export function nameOf({ upstream, endpoint }: Target): string {
  return endpoint === undefined ? `the breaker of ${upstream}` : `${endpoint} of ${upstream}`
}
