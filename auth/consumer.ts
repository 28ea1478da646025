import type { FastifyRequest } from 'fastify'

/** Set on `request.user`: the consumer, unique over all issuers. A symbol, so that no route shows it by mistake. */
export const consumerId = Symbol('sluice.consumerId')

/**
 * Returns the consumer of a verified token: its subject or, where the config has several issuers, `ISSUER/SUBJECT`, since
 * a subject is unique per issuer only (RFC 7519, section 4.1.2). Undefined without a token. This is the identity that
 * limits, stickiness, captures, usage and logs go by.
 */
export function consumerOf({ user }: FastifyRequest): string | undefined {
  return user?.[consumerId] ?? user?.sub
}
