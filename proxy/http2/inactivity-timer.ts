/** Calls back when nothing has happened for a time. */
export class InactivityTimer {
  #ms: number
  #onExpire: () => void
  #timer: NodeJS.Timeout | undefined

  /** @param ms 0: never expires */
  constructor(ms: number, onExpire: () => void) {
    this.#ms = ms
    this.#onExpire = onExpire
  }

  start(): void {
    if (this.#ms > 0) this.#timer = setTimeout(InactivityTimer.#expire, this.#ms, this)
  }

  refresh(): void {
    this.#timer?.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** After a process was stopped, its timers run first. Lets what has arrived meanwhile be read before it calls back. */
  static #expire(self: InactivityTimer): void {
    const timer = self.#timer
    setImmediate(() => {
      if (timer !== undefined && self.#timer === timer) self.#onExpire()
    })
  }
}
