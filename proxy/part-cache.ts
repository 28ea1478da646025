import type { UpstreamResponse } from './call-types.ts'
import type { PartCache } from './compose-route.ts'

/** Responses of one part. The least recently used are dropped when there are too many, or too many bytes of them. */
export interface ResponseCache {
  get(key: string): UpstreamResponse | undefined
  set(key: string, response: UpstreamResponse): void
}

interface Entry {
  response: UpstreamResponse
  bytes: number
  /** By `performance.now()`, since the system's clock may be set back. */
  staleAt: number
}

const MAX_ENTRIES = 1_000
const MAX_BYTES = 16_777_216
/** Bytes of an entry besides its key and body: headers and objects. */
const ENTRY_BYTES = 1_024

export function createPartCache({ ttl, max = MAX_ENTRIES, maxBytes = MAX_BYTES }: PartCache): ResponseCache {
  /** The least recently used first. */
  const entries = new Map<string, Entry>()
  let total = 0

  return {
    get(key) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      remove(key, entry)
      if (performance.now() >= entry.staleAt) return undefined
      add(key, entry)
      return entry.response
    },
    set(key, response) {
      const before = entries.get(key)
      if (before !== undefined) remove(key, before)
      const { byteLength = 0 } = (response.body ?? {}) as Partial<Buffer>
      const bytes = ENTRY_BYTES + 2 * key.length + byteLength
      if (bytes > maxBytes) return
      add(key, { response, bytes, staleAt: performance.now() + ttl })
      for (const [oldest, entry] of entries) {
        if (entries.size <= max && total <= maxBytes) break
        remove(oldest, entry)
      }
    }
  }

  function add(key: string, entry: Entry): void {
    entries.set(key, entry)
    total += entry.bytes
  }

  function remove(key: string, { bytes }: Entry): void {
    entries.delete(key)
    total -= bytes
  }
}
