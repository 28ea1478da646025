import { isIP } from 'node:net'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { NO_ADDRESS, toAddress } from '../http/client-address.ts'

/**
 * Normalizes `X-Forwarded-For` before anything reads `request.ip`. Register it first, with Fastify's `trustProxy`.
 *
 * Azure's Application Gateway and IIS write `address:port`. With the port, each connection would be another client, and
 * a trusted proxy in the list would not be recognized. An entry that is not an address becomes `unknown` (RFC 7239, 6.2);
 * empty entries are dropped (RFC 9110, 5.6.1).
 */
async function clientAddress(fastify: FastifyInstance) {
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

export default fp(clientAddress, { name: 'sluice-client-address', fastify: '5.x' })
