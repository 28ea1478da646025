/**
 * Numbers from 0 to `max` - 1 for keys, so that what is known of a key can be in typed arrays: an object for each of
 * 100,000 keys takes several times their memory, and the collector's time. Beyond `max` the key that was not asked for
 * longest loses its number to the new one.
 */
export class Slots {
  #max: number
  #slots = new Map<string, number>()
  #keys: string[] = []
  /** Of a slot, the ones that were asked for just before it and just after. */
  #older: Int32Array
  #newer: Int32Array
  #oldest = NONE
  #newest = NONE

  constructor(max: number) {
    this.#max = max
    this.#older = new Int32Array(max)
    this.#newer = new Int32Array(max)
  }

  /** -1 for a key that has none. */
  find(key: string): number {
    const slot = this.#slots.get(key)
    if (slot === undefined) return NONE
    if (slot !== this.#newest) {
      this.#unlink(slot)
      this.#append(slot)
    }
    return slot
  }

  /** For a key that has none; what its slot holds is of another. */
  add(key: string): number {
    let slot = this.#keys.length
    if (slot === this.#max) {
      slot = this.#oldest
      this.#unlink(slot)
      this.#slots.delete(this.#keys[slot] as string)
    }
    this.#keys[slot] = key
    this.#slots.set(key, slot)
    this.#append(slot)
    return slot
  }

  #append(slot: number): void {
    this.#older[slot] = this.#newest
    this.#newer[slot] = NONE
    if (this.#newest === NONE) this.#oldest = slot
    else this.#newer[this.#newest] = slot
    this.#newest = slot
  }

  #unlink(slot: number): void {
    const older = this.#older[slot] as number
    const newer = this.#newer[slot] as number
    if (older === NONE) this.#oldest = newer
    else this.#newer[older] = newer
    if (newer === NONE) this.#newest = older
    else this.#older[newer] = older
  }
}

const NONE = -1
