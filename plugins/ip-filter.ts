import { BlockList, isIPv6 } from 'node:net'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { clientAddress } from '../http/client-address.ts'
import { createProblem } from '../http/problem.ts'
import { describeRoutes } from '../observe/route-metadata.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { IpFilterOptions } from '../schemas/options/ip-filter.ts'

const AddressRejected = createProblem('SLUICE_ADDRESS_REJECTED', 'Not allowed from this address', 403)

/**
 * Restricts a scope to client addresses; others get 403. The address is the one that Fastify's `trustProxy` yields. A
 * client without an address is rejected, since neither list can contain it.
 *
 * ```ts
 * await scope.register(ipFilter, { allow: ['10.0.0.0/8', '2001:db8::/32'] })
 * ```
 */
async function ipFilter(fastify: FastifyInstance, options: Input<typeof IpFilterOptions>) {
  const { allow, deny } = completeOptions(IpFilterOptions, options, 'ipFilter')
  const allowed = createList(allow)
  const denied = createList(deny)
  if (allowed === undefined && denied === undefined) return

  describeRoutes(fastify, { isAddressFiltered: true })
  fastify.addHook('onRequest', (request, _reply, done) => {
    const address = clientAddress(request)
    done(address === undefined || isRejected(address) ? new AddressRejected() : undefined)
  })

  function isRejected(address: string): boolean {
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    return denied?.check(address, family) || (allowed !== undefined && !allowed.check(address, family))
  }
}

/** BlockList also matches IPv4-mapped IPv6 addresses. */
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

export default fp(ipFilter, { name: 'sluice-ip-filter', fastify: '5.x' })
