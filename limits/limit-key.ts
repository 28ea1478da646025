import { normalizeIP } from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'
import { LruMap } from 'toad-cache'
import { consumerOf } from '../auth/consumer.ts'
import { clientAddress, NO_ADDRESS } from '../http/client-address.ts'

/** Networks of IPv6 addresses that are kept: to find one takes about 10 us. */
const MAX_NETWORKS = 10_000

/**
 * Returns a function that returns the key that a request counts for: its consumer or, without one, its address. An IPv6 address
 * counts by its /64; clients without an address count as one.
 */
export function createKeys(by: 'consumer' | 'address'): (request: FastifyRequest) => string {
  const networks = new LruMap<string>(MAX_NETWORKS)

  return request => {
    const consumer = by === 'consumer' ? consumerOf(request) : undefined
    if (consumer !== undefined) return `consumer:${consumer}`
    const address = clientAddress(request) ?? NO_ADDRESS
    if (!address.includes(':')) return `address:${address}`
    let key = networks.get(address)
    if (key === undefined) {
      key = `address:${normalizeIP(address, 64)}`
      networks.set(address, key)
    }
    return key
  }
}
