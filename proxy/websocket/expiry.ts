import { TimerEntry, TimerQueue } from '../../http/timer-queue.ts'
import type { Tunnel } from './tunnel.ts'

/** The ends of the tokens that connections were opened with, in their order, on one timer. */
export class Expiries {
  // What is added has its own end, so the length is none.
  #deadlines = new TimerQueue(0)

  /** `end`: milliseconds since the epoch. What is returned is for `remove`. */
  add(tunnel: Tunnel, end: number): TimerEntry {
    const expiry = new Expiry(tunnel)
    this.#deadlines.add(expiry, performance.now() + end - Date.now())
    return expiry
  }

  remove(expiry: TimerEntry): void {
    this.#deadlines.remove(expiry)
  }
}

class Expiry extends TimerEntry {
  #tunnel: Tunnel

  constructor(tunnel: Tunnel) {
    super()
    this.#tunnel = tunnel
  }

  expire(): void {
    this.#tunnel.expire()
  }
}
