import fastifyCors from '@fastify/cors'
import createError from '@fastify/error'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { addVary } from '../http/vary.ts'
import type { CorsOptions } from '../schemas/options/scope.ts'

/**
 * CORS (Fetch, 3.2) for a scope, by @fastify/cors. Preflights are answered before any token is asked for; problems
 * carry the headers too, or pages could not read them. What the service says of CORS itself is not passed on.
 */
const NotAPreflight = createError('SLUICE_NO_PREFLIGHT', 'This is no CORS preflight', 400, Error, false)

const HEADERS = [
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-expose-headers',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-max-age',
  'access-control-allow-private-network'
] as const

const own = Symbol('sluice.cors')

async function cors(fastify: FastifyInstance, options: CorsOptions) {
  const { origins, methods, headers, expose, credentials, maxAge } = options
  fastify.decorateRequest(own)

  fastify.addHook('onRequest', (request, _reply, done) => {
    const { origin, 'access-control-request-method': method } = request.headers
    const isPreflight = origin !== undefined && method !== undefined
    done(request.method === 'OPTIONS' && !isPreflight ? new NotAPreflight() : undefined)
  })
  await fastify.register(fastifyCors, {
    origin: origins.includes('*') ? '*' : origins,
    methods,
    allowedHeaders: headers,
    exposedHeaders: expose,
    credentials,
    maxAge
  })

  fastify.addHook('onRequest', (request, reply, done) => {
    request[own] = reply.getHeaders()
    done()
  })
  fastify.addHook('onSend', (request, reply, _payload, done) => {
    const ours = request[own]
    if (ours !== undefined) {
      for (const name of HEADERS) {
        if (ours[name] !== undefined) reply.header(name, ours[name])
        else if (reply.hasHeader(name)) reply.removeHeader(name)
      }
      if (ours.vary !== undefined) addVary(reply, 'Origin')
    }
    done()
  })
}

export default fp(cors, { name: 'sluice-cors', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyRequest {
    [own]?: ReturnType<FastifyReply['getHeaders']>
  }
}
