import createError from '@fastify/error'
import { type ProblemError, typeOf } from '../http/problem.ts'

const TokenMissing = createError('SLUICE_TOKEN_MISSING', 'Missing authorization token', 401, Error, false)
const TokenExpired = createError('SLUICE_TOKEN_EXPIRED', 'Token expired', 401, Error, false)
export const TokenInvalid = createError('SLUICE_TOKEN_INVALID', 'Invalid token', 401, Error, false)
const Forbidden = createError('SLUICE_FORBIDDEN', 'Not allowed', 403, Error, false)

// Shared, since they hold nothing of a request: creating an error costs as much as the rest of the response.
export const missing = unauthorized(new TokenMissing(), 'Bearer')
export const invalid = unauthorized(new TokenInvalid(), 'Bearer error="invalid_token"')
export const expired = unauthorized(
  new TokenExpired(),
  'Bearer error="invalid_token", error_description="expired"'
)

function unauthorized(error: ProblemError, challenge: string): ProblemError {
  error.headers = { 'www-authenticate': challenge }
  error.problem = { type: typeOf(error.code) }
  return error
}

/** Returns a 403 with `insufficient_scope` (RFC 6750, 3.1), for a route's own rules. */
export function forbidden(): ProblemError {
  return unauthorized(new Forbidden(), 'Bearer error="insufficient_scope"')
}
