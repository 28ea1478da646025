import fastifyCors from '@fastify/cors'
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { createProblem } from '../http/problem.ts'
import { addVary } from '../http/vary.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import { CorsOptions } from '../schemas/options/cors.ts'
import type { Input } from '../schemas/options/defaults.ts'

const NotPreflight = createProblem('SLUICE_NOT_PREFLIGHT', 'OPTIONS is only for CORS preflights here', 400)

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

/**
 * CORS for a scope (Fetch, 3.2), by @fastify/cors. Register it first: preflights carry no token, and pages cannot read an
 * error without the headers. Replaces the CORS headers of services.
 *
 * ```ts
 * await scope.register(cors, { origins: ['https://app.example'] })
 * ```
 */
async function cors(fastify: FastifyInstance, options: Input<typeof CorsOptions>) {
  const { origins, methods, headers, expose, credentials, maxAge } = completeOptions(
    CorsOptions,
    options,
    'cors'
  )
  if (fastify.hasRequestDecorator('corsPreflightEnabled'))
    throw new Error(
      'cors: @fastify/cors or cors is registered on this scope or a parent, and answers its preflights; register one of them'
    )
  fastify.decorateRequest(own)

  fastify.addHook('onRequest', (request, _reply, done) => {
    const { origin, 'access-control-request-method': method } = request.headers
    const isPreflight = origin !== undefined && method !== undefined
    done(request.method === 'OPTIONS' && !isPreflight ? new NotPreflight() : undefined)
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

type ReplyHeaders = ReturnType<FastifyReply['getHeaders']>

declare module 'fastify' {
  interface FastifyRequest {
    [own]?: ReplyHeaders
  }
}
