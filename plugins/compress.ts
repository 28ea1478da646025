import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { CompressOptions } from '../schemas/scope.ts'
import { addVary } from './cors.ts'
import type { SendingResponse } from './recorder/response.ts'

/**
 * Compresses the JSON of a scope, by @fastify/compress: what is whole in memory, and not encoded already. Streams pass
 * as they are. An answer that repeats what an attacker sends beside a secret tells it by its length (BREACH): such
 * routes are for a scope without it, or take `compress: false`.
 */
async function compress(fastify: FastifyInstance, { threshold, encodings }: CompressOptions) {
  // Before the route's own hook, which is @fastify/compress.
  fastify.addHook('onSend', (request, reply, payload, done) => {
    const isWhole = typeof payload === 'string' || Buffer.isBuffer(payload)
    const isJson = JSON_TYPE.test(String(reply.getHeader('content-type')))
    if (isWhole && isJson && request.method !== 'HEAD' && !reply.hasHeader('content-encoding')) {
      // In the letters in which @fastify/compress looks for it.
      addVary(reply, 'accept-encoding')
      const isFixed = /\bno-transform\b/i.test(String(reply.getHeader('cache-control')))
      if (!isFixed) {
        // Of the octets before (RFC 9110, 8.8.1).
        const etag = reply.getHeader('etag')
        if (typeof etag === 'string' && etag.startsWith('"')) reply.header('etag', `W/${etag}`)
        for (const name of DIGESTS) reply.removeHeader(name)
        // For the recorder, which shows what is read.
        const response = reply.raw as Partial<SendingResponse>
        if ('sent' in response) response.sent = payload
        return done()
      }
    }
    // How @fastify/compress is told to let an answer be.
    request.headers['x-no-compression'] = '1'
    done()
  })
  // Loaded by who uses it: 2 MiB that other gateways do not hold.
  await fastify.register(import('@fastify/compress'), {
    threshold,
    encodings,
    customTypes: JSON_TYPE,
    globalDecompression: false
  })
}

export default fp(compress, { name: 'sluice-compress', fastify: '5.x' })

const JSON_TYPE = /^application\/([\w.-]+\+)?json\b/i
const DIGESTS = ['content-md5', 'content-digest', 'digest']
