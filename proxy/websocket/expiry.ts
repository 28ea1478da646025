import { TimerEntry, TimerQueue } from '../../http/timer-queue.ts'
import type { Tunnel } from './tunnel.ts'

/** Closes connections when their tokens expire. All of them share one timer. */
export class Expiries {
  // Each entry has its own time, so the default is 0.
  #deadlines = new TimerQueue(0)

  /** `end`: epoch milliseconds. Returns an entry for `remove`. */
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
