import { isIP, SocketAddress } from 'node:net'
import { normalizeIP } from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'

/**
 * The client's address in one form, for everything that compares or counts addresses: without port, brackets and zone,
 * an IPv4-mapped one as IPv4.
 */

/** Stands for all clients without an address (RFC 7239, 6.2). */
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
