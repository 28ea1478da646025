import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Headers } from './call-types.ts'

/** Headers of the service that a reply has got. */
const passed = Symbol('sluice.passedHeaders')
/** Headers that the reply had before, if the body streams. */
const own = Symbol('sluice.ownHeaders')

interface PassingReply {
  [passed]: Headers | null
  [own]: ReturnType<FastifyReply['getHeaders']> | null
}

/**
 * Removes the service's headers from replies that fail before their headers are sent, as by a body that breaks off or by
 * an onSend hook: the error is the gateway's, so the service's cookies, validators and cache rules must not go with it.
 */
export function dropPassedHeadersOnError(scope: FastifyInstance): void {
  scope.decorateReply(passed, null)
  scope.decorateReply(own, null)
  // Not async: the deadline may expire in the same turn, and Fastify forbids `send` while onError hooks run.
  scope.addHook('onError', (_request, reply, _error, done) => {
    drop(reply)
    done()
  })
}

function drop(reply: FastifyReply): void {
  const state = reply as unknown as PassingReply
  if (state[passed] === null || reply.raw.headersSent) return
  for (const name in state[own] ? reply.getHeaders() : state[passed]) reply.removeHeader(name)
  if (state[own]) reply.headers(state[own])
  // An error handler may send an object.
  reply.serializer(null as never)
}

export function notePassedHeaders(reply: FastifyReply, headers: Headers): void {
  ;(reply as unknown as PassingReply)[passed] = headers
}

/** Keeps the values that the service's headers replace. Costs more than the rest, so it is done for streams only. */
export function noteOwnHeaders(reply: FastifyReply): void {
  ;(reply as unknown as PassingReply)[own] = reply.getHeaders()
}
