import type { FastifyRequest } from 'fastify'

/** Member of `request.user` with the consumer, unique over all issuers. A symbol, so that no route discloses it. */
export const consumerId = Symbol('sluice.consumerId')

/**
 * Returns the consumer of a request: the user's `sub` or, in an app with several issuers, `ISSUER/SUBJECT`, because a subject
 * is unique for one issuer only (RFC 7519, 4.1.2). Undefined without a user. Limits, stickiness, captures, usage and logs
 * use it.
 */
export function consumerOf({ user }: FastifyRequest): string | undefined {
  return user?.[consumerId] ?? user?.sub
}
