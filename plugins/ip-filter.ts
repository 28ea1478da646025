import { BlockList, isIPv6 } from 'node:net'
import createError from '@fastify/error'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { clientAddress } from '../http/client-address.ts'
import type { AddressesOptions } from '../schemas/options/scope.ts'

/**
 * Lets a scope be reached from some addresses only: 403 before any route is looked at. The address is the client's,
 * as `trustProxy` has it. A client without one is refused: neither list can say anything about it.
 */
const AddressRefused = createError('SLUICE_ADDRESS_REFUSED', 'Not allowed from here', 403, Error, false)

async function addresses(fastify: FastifyInstance, { allow, deny }: AddressesOptions) {
  const allowed = createList(allow)
  const denied = createList(deny)
  if (allowed === undefined && denied === undefined) return

  fastify.addHook('onRequest', (request, _reply, done) => {
    const address = clientAddress(request)
    done(address === undefined || isRefused(address) ? new AddressRefused() : undefined)
  })

  function isRefused(address: string): boolean {
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    return denied?.check(address, family) || (allowed !== undefined && !allowed.check(address, family))
  }
}

export default fp(addresses, { name: 'sluice-addresses', fastify: '5.x' })

/** Of IPv4 addresses also as IPv6 has them (`::ffff:10.0.0.1`): BlockList sees to that. */
function createList(ranges: string[]): BlockList | undefined {
  if (ranges.length === 0) return undefined
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}
