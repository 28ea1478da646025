import createError from '@fastify/error'
import { type ProblemError, typeOf } from '../problem.ts'

const TokenMissing = createError('SLUICE_TOKEN_MISSING', 'Missing authorization token', 401, Error, false)
const TokenExpired = createError('SLUICE_TOKEN_EXPIRED', 'Token expired', 401, Error, false)
export const TokenInvalid = createError('SLUICE_TOKEN_INVALID', 'Invalid token', 401, Error, false)
const Forbidden = createError('SLUICE_FORBIDDEN', 'Not allowed', 403, Error, false)

// They say nothing of a request, so one of each serves all: an error costs as much as the rest of a refusal.
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

/** 403 with what was lacking (RFC 6750, 3.1), for a route's own rules. */
export function forbidden(): ProblemError {
  return unauthorized(new Forbidden(), 'Bearer error="insufficient_scope"')
}
