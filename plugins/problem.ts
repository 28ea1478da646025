import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import findMyWay, { type HTTPMethod as HTTPMethods } from 'find-my-way'
import { createProblem, type ProblemError, sendProblem } from '../http/problem.ts'

/**
 * Errors as problem details (RFC 9457), for every answer that is not a success: one error handler, 404 and 405
 * included.
 *
 * An error's `statusCode` becomes the status, its code the `type` (`SLUICE_TOKEN_EXPIRED` is
 * `urn:sluice:token-expired`), its message the `title`. Members of `error.problem` are added, `error.headers` are
 * sent; an error that has them, even if empty, says by it that its message is for clients. An error without a status, or with 500, says nothing of itself: it is logged, and answered as 500.
 */
const NotFound = createProblem('SLUICE_ROUTE_NOT_FOUND', 'No such route', 404)
const MethodNotAllowed = createProblem('SLUICE_METHOD_NOT_ALLOWED', 'Method not allowed', 405)

async function problem(fastify: FastifyInstance) {
  const methods = new Set<HTTPMethods>()
  const routes = findMyWay()

  fastify.addHook('onRoute', ({ method, url, config, schema }) => {
    // A route that is hidden (that of CORS preflights) is no resource of the client's.
    if (config?.isCatchAll || (schema as { hide?: boolean } | undefined)?.hide) return
    for (const one of [method].flat() as HTTPMethods[]) {
      methods.add(one)
      if (!routes.hasRoute(one, url)) routes.on(one, url, () => {}, url)
    }
  })

  fastify.setErrorHandler<ProblemError>((error, request, reply) => sendProblem(error, request, reply))

  fastify.decorate('sendUnrouted', (request, reply) => {
    const path = request.url.split('?', 1)[0] as string
    const allowed = [...methods].filter(method => routes.find(method, path) !== null)
    if (allowed.length === 0) return sendProblem(new NotFound(), request, reply)
    reply.header('allow', allowed.sort().join(', '))
    return sendProblem(new MethodNotAllowed(), request, reply)
  })
  fastify.setNotFoundHandler(fastify.sendUnrouted)
  fastify.decorate('patternAt', (method, path) => routes.find(method as HTTPMethods, path)?.store as string)
}

export default fp(problem, { name: 'sluice-problem', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /** Answers what has no route: 404, or 405 with `Allow`. */
    sendUnrouted(request: FastifyRequest, reply: FastifyReply): FastifyReply
    /** Returns the pattern of the route that takes `path`, whatever its version. */
    patternAt(method: string, path: string): string | undefined
  }
}
