import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { createProblem, type ProblemError, sendProblem } from '../http/problem.ts'
import { routeTable } from '../http/route-table.ts'

const NotFound = createProblem('SLUICE_ROUTE_NOT_FOUND', 'No such route', 404)
const MethodNotAllowed = createProblem('SLUICE_METHOD_NOT_ALLOWED', 'Method not allowed', 405)

/**
 * Sends errors as problem details (RFC 9457): one error handler for the app, and 404 and 405 responses. Register it
 * first, or leave it out to keep your own error handler.
 *
 * The status is the error's `statusCode`, `type` its code (`SLUICE_TOKEN_EXPIRED` is `urn:sluice:token-expired`), `title`
 * its message. Errors made by `createProblem` can add members and headers. Any other error is logged and answered as
 * 500 without its message.
 */
async function problem(fastify: FastifyInstance) {
  const routes = routeTable(fastify)

  fastify.setErrorHandler<ProblemError>((error, request, reply) => sendProblem(error, request, reply))

  fastify.decorate('sendUnrouted', (request, reply) => {
    const methods = routes.methodsAt(request.url.split('?', 1)[0] as string)
    if (methods.length === 0) return sendProblem(new NotFound(), request, reply)
    reply.header('allow', methods.join(', '))
    return sendProblem(new MethodNotAllowed(), request, reply)
  })
  fastify.setNotFoundHandler(fastify.sendUnrouted)
}

export default fp(problem, { name: 'sluice-problem', fastify: '5.x' })

type SendUnrouted = (request: FastifyRequest, reply: FastifyReply) => FastifyReply

declare module 'fastify' {
  interface FastifyInstance {
    /** Sends 404, or 405 with `Allow`, for a request without a route. */
    sendUnrouted: SendUnrouted
  }
}
