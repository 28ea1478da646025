import { isIP, SocketAddress } from 'node:net'
import { normalizeIP } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'

/**
 * The client's address in one form, for everything that compares or counts addresses: without port, brackets and zone,
 * an IPv4-mapped one as IPv4.
 *
 * The plugin brings `X-Forwarded-For` into that form before anything reads `request.ip`. Azure's Application Gateway and
 * IIS write `address:port`; with the port, each connection would be another client, and a trusted proxy in the list
 * would not be recognized. An entry that is not an address becomes `unknown` (RFC 7239, 6.2); empty entries are dropped
 * (RFC 9110, 5.6.1).
 */
async function clientAddresses(fastify: FastifyInstance) {
  fastify.addHook('onRequest', ({ raw: { headers } }, _reply, done) => {
    const list = headers['x-forwarded-for']
    if (typeof list === 'string' && isIP(list) !== 4) {
      const addresses = list.split(',').flatMap(entry => {
        const trimmed = entry.trim()
        return trimmed === '' ? [] : [toAddress(trimmed) ?? NO_ADDRESS]
      })
      if (addresses.length > 0) headers['x-forwarded-for'] = addresses.join(', ')
      else delete headers['x-forwarded-for']
    }
    done()
  })
}

export default fp(clientAddresses, { name: 'sluice-client-address', fastify: '5.x' })

export const NO_ADDRESS = 'unknown'

/**
 * Returns the address of the client as `trustProxy` has it. Undefined if the proxy named something else, or the client
 * has disconnected: HTTP/2 sockets then have no address.
 */
export function clientAddress({ ip }: FastifyRequest): string | undefined {
  return ip === undefined ? undefined : toAddress(ip)
}

/**
 * Returns the client's address as it is counted: one of IPv6 by its /64, which one client may have all of, and `unknown`
 * for all clients without an address.
 */
export function clientNetwork(request: FastifyRequest): string {
  return normalizeIP(clientAddress(request) ?? NO_ADDRESS, 64)
}

/** `[2001:db8::1]`, `[2001:db8::1]:443` and `192.0.2.1:443`. */
const NODE = /^(?:\[([\da-f:.]+(?:%[\w.-]+)?)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/i
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/

/** Returns the address that `text` names, in canonical form. Undefined for anything else, such as `unknown` or `_hidden`. */
export function toAddress(text: string): string | undefined {
  const family = isIP(text)
  if (family === 4) return text
  if (family === 6) {
    // Lower case, shortest form, no zone.
    const { address } = new SocketAddress({ address: text, family: 'ipv6' })
    return MAPPED.exec(address)?.[1] ?? address
  }
  const [, v6, v4] = NODE.exec(text) ?? []
  if (v6 !== undefined) return isIP(v6) === 6 ? toAddress(v6) : undefined
  return v4 !== undefined && isIP(v4) === 4 ? v4 : undefined
}
