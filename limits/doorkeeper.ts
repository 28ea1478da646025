/**
 * Tells keys that come again from those that come once, about: a mark for each of the last few thousand keys, where a new
 * one takes the place of an old one. Whoever makes up a key for every request pushes out none that is held on to.
 */
export function createSeen(): (key: string) => boolean {
  const marks = new Uint32Array(MARKS)
  // So that nobody can tell which keys have the same place.
  const seed = Math.floor(Math.random() * 2 ** 32)
  return key => {
    // FNV-1a.
    let hash = seed
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 16_777_619)
    hash = (hash ^ (hash >>> 15)) >>> 0
    const place = hash % MARKS
    const isSeen = marks[place] === hash
    marks[place] = hash
    return isSeen
  }
}

const MARKS = 16_384
