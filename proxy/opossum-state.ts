import CircuitBreaker from 'opossum'

/** Milliseconds by which two processes may read the same clock differently. */
const MAX_SKEW = 1_000

/**
 * Everything about opossum: it keeps a breaker's state and the timer from open to half-open. Nothing is called through it,
 * since `circuit.fire()` would count rejected calls as failures and filtered errors as successes, and would close on a
 * success that started before the breaker opened.
 */
export interface OpossumState {
  readonly isClosed: boolean
  readonly isOpen: boolean
  readonly isHalfOpen: boolean
  /** @param left milliseconds until half-open. Default: `resetTimeout`. A time far beyond that is of another clock. */
  open(left?: number): void
  close(): void
  /** Stops the timer. */
  shutdown(): void
}

export function createOpossumState(
  name: string,
  resetTimeout: number,
  onChange: (state: 'open' | 'half-open' | 'closed') => void
): OpossumState {
  const circuit = new CircuitBreaker(async () => {}, {
    name,
    timeout: false,
    resetTimeout,
    rollingPercentilesEnabled: false,
    enableSnapshots: false
  })
  // opossum reads it when it opens.
  const { options } = circuit as unknown as { options: { resetTimeout: number } }
  circuit.on('open', () => onChange('open'))
  circuit.on('halfOpen', () => onChange('half-open'))
  circuit.on('close', () => onChange('closed'))

  return {
    get isClosed() {
      return circuit.closed
    },
    get isOpen() {
      return circuit.opened
    },
    get isHalfOpen() {
      return circuit.halfOpen
    },
    open(left = resetTimeout) {
      options.resetTimeout = left > resetTimeout + MAX_SKEW ? 1 : Math.min(resetTimeout, Math.max(1, left))
      circuit.open()
      options.resetTimeout = resetTimeout
    },
    close: () => circuit.close(),
    shutdown: () => circuit.shutdown()
  }
}
