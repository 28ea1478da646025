import { isIP } from 'node:net'
import { compile } from '@fastify/proxy-addr'
import Type from 'typebox'

/** An address or range as proxy-addr reads it. Rejects numbers: people mean hops, proxy-addr reads an IPv4 address. */
export const TrustedProxy = Type.Refine(
  Type.String(),
  value => {
    try {
      compile(value)
      return isIP(value.split('/', 1)[0] as string) !== 0 || /^[a-z]+$/.test(value)
    } catch {
      return false
    }
  },
  () => 'must be an address, a range such as 10.0.0.0/8, or loopback, linklocal or uniquelocal'
)
