/**
 * Returns a function that returns true for a key that has come before, approximately: a fixed number of marks, where a new
 * key overwrites an old one. So a client that invents a key for each request evicts nothing from the caches behind it.
 */
export function createDoorkeeper(): (key: string) => boolean {
  const marks = new Uint32Array(MARKS)
  // A random seed, so that a client cannot choose keys that share a mark.
  const seed = Math.floor(Math.random() * 2 ** 32)
  return key => {
    // FNV-1a.
    let hash = seed
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 16_777_619)
    hash = (hash ^ (hash >>> 15)) >>> 0
    const index = hash % MARKS
    const isKnown = marks[index] === hash
    marks[index] = hash
    return isKnown
  }
}

const MARKS = 16_384
