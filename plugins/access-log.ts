import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** One line an exchange, after its answer, and the request's id on the answer. */
async function accessLog(fastify: FastifyInstance) {
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done()
  })

  fastify.addHook('onResponse', (request, reply, done) => {
    request.log.info(
      {
        method: request.method,
        route: request.routeOptions.url,
        status: reply.statusCode,
        consumer: request.user?.sub,
        ms: Math.round(reply.elapsedTime * 1000) / 1000
      },
      'exchange'
    )
    done()
  })
}

export default fp(accessLog, { name: 'sluice-access-log', fastify: '5.x' })
