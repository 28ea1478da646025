import { createHash } from 'node:crypto'
import { LruMap } from 'toad-cache'

/** Wrong tokens by address: slows down guessing. */
export interface FailedLogins {
  /** Returns the ms to wait if the address has given too many wrong tokens, otherwise 0. */
  wait(address: string): number
  /** The same wrong token again does not count: it belongs to a program whose token is out of date. */
  add(address: string, token: string): void
}

interface Failures {
  endsAt: number
  tokens: Set<string>
}

/** ms in which `MAX_FAILURES` different wrong tokens are allowed to an address. */
const WINDOW = 60_000
const MAX_FAILURES = 10
/** Addresses that are remembered. */
const MAX_ADDRESSES = 1_000

export function createFailedLogins(now: () => number = Date.now): FailedLogins {
  const failures = new LruMap<Failures>(MAX_ADDRESSES)
  return {
    wait(address) {
      const known = failures.get(networkOf(address))
      return known === undefined || known.tokens.size < MAX_FAILURES ? 0 : Math.max(0, known.endsAt - now())
    },
    add(address, token) {
      const network = networkOf(address)
      let known = failures.get(network)
      if (known === undefined || known.endsAt <= now())
        known = { endsAt: now() + WINDOW, tokens: new Set<string>() }
      known.tokens.add(createHash('sha256').update(token).digest('base64'))
      failures.set(network, known)
    }
  }
}

/** Returns the /64 of an IPv6 address, which one client may have all of. */
function networkOf(address: string): string {
  const [, mapped] = /^::ffff:(\d+\..+)$/i.exec(address) ?? []
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address
  const [head = '', tail] = address.split('::', 2)
  const groups = head === '' ? [] : head.split(':')
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length)
  return [...groups, ...Array(missing).fill('0'), ...(tail ?? '').split(':')].slice(0, 4).join(':')
}
