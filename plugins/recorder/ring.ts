import type { Exchange } from '../exchange.ts'
import { Recorded } from './record.ts'

/** The last exchanges, in places that are made once and used again; fewer if they weigh more than `memory` bytes. */
export class Ring {
  #places: Recorded[]
  #memory: number
  #limit: number
  #next = 0
  #oldest = 0
  #weight = 0
  #held = 0

  constructor(size: number, memory: number, limit: number) {
    this.#places = Array.from({ length: size }, () => new Recorded())
    this.#memory = memory
    this.#limit = limit
  }

  get weight(): number {
    return this.#weight
  }

  get held(): number {
    return this.#held
  }

  add(number: number, exchange: Exchange, now: number): Recorded {
    const place = this.#places[this.#next] as Recorded
    this.#next = (this.#next + 1) % this.#places.length
    if (this.#held === this.#places.length) this.#forget(place)
    this.#weight += place.fill(number, exchange, now, this.#limit).weight
    this.#held++
    while (this.#weight > this.#memory && this.#held > 1) {
      const oldest = this.#places[this.#oldest] as Recorded
      this.#forget(oldest)
      oldest.clear()
    }
    return place
  }

  /** The latest first. */
  *[Symbol.iterator](): Generator<Recorded> {
    const { length } = this.#places
    for (let i = 1; i <= this.#held; i++) yield this.#places[(this.#next - i + length) % length] as Recorded
  }

  #forget(oldest: Recorded): void {
    this.#weight -= oldest.weight
    this.#held--
    this.#oldest = (this.#oldest + 1) % this.#places.length
  }
}
