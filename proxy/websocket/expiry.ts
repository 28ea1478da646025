import { Deadlines, Due } from '../../http/timer-queue.ts'
import type { Tunnel } from './tunnel.ts'

/** The ends of the tokens that connections were opened with, in their order, on one timer. */
export class Expiries {
  // What is added has its own end, so the length is none.
  #deadlines = new Deadlines(0)

  /** `end`: milliseconds since the epoch. What is returned is for `remove`. */
  add(tunnel: Tunnel, end: number): Due {
    const expiry = new Expiry(tunnel)
    this.#deadlines.add(expiry, performance.now() + end - Date.now())
    return expiry
  }

  remove(expiry: Due): void {
    this.#deadlines.remove(expiry)
  }
}

class Expiry extends Due {
  #tunnel: Tunnel

  constructor(tunnel: Tunnel) {
    super()
    this.#tunnel = tunnel
  }

  expire(): void {
    this.#tunnel.expire()
  }
}
