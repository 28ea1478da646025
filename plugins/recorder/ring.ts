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
    if (this.#held === this.#places.length) this.#drop()
    const place = (this.#places[this.#next] as Recorded).fill(number, exchange, now, this.#limit)
    this.#next = (this.#next + 1) % this.#places.length
    this.#held++
    this.#weight += place.weight
    while (this.#weight > this.#memory && this.#held > 1) this.#drop()
    return place
  }

  /** The latest first. */
  *[Symbol.iterator](): Generator<Recorded> {
    const { length } = this.#places
    for (let i = 1; i <= this.#held; i++) yield this.#places[(this.#next - i + length) % length] as Recorded
  }

  #drop(): void {
    const place = this.#places[this.#oldest] as Recorded
    this.#weight -= place.weight
    place.clear()
    this.#held--
    this.#oldest = (this.#oldest + 1) % this.#places.length
  }
}
