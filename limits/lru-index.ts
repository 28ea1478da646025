/**
 * Maps keys to indices from 0 to `max` - 1, so that state can be in typed arrays: an object for each of 100,000 keys takes
 * several times the memory, and time of the garbage collector. Beyond `max`, a new key takes the index of the least recently
 * used one.
 */
export class LruIndex {
  readonly #max: number
  readonly #indices = new Map<string, number>()
  readonly #keys: string[] = []
  /** Neighbours of an index in the order of use. */
  readonly #older: Int32Array
  readonly #newer: Int32Array
  #oldest = NONE
  #newest = NONE

  constructor(max: number) {
    this.#max = max
    this.#older = new Int32Array(max)
    this.#newer = new Int32Array(max)
  }

  /** Returns the index of a key and marks it as used; -1 for an unknown key. */
  find(key: string): number {
    const index = this.#indices.get(key)
    if (index === undefined) return NONE
    if (index !== this.#newest) {
      this.#unlink(index)
      this.#append(index)
    }
    return index
  }

  /** Returns an index for an unknown key. The state at the index is that of another key. */
  add(key: string): number {
    let index = this.#keys.length
    if (index === this.#max) {
      index = this.#oldest
      this.#unlink(index)
      this.#indices.delete(this.#keys[index] as string)
    }
    this.#keys[index] = key
    this.#indices.set(key, index)
    this.#append(index)
    return index
  }

  #append(index: number): void {
    this.#older[index] = this.#newest
    this.#newer[index] = NONE
    if (this.#newest === NONE) this.#oldest = index
    else this.#newer[this.#newest] = index
    this.#newest = index
  }

  #unlink(index: number): void {
    const older = this.#older[index] as number
    const newer = this.#newer[index] as number
    if (older === NONE) this.#oldest = newer
    else this.#newer[older] = newer
    if (newer === NONE) this.#newest = older
    else this.#older[newer] = older
  }
}

const NONE = -1
