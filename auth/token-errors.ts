import { createProblem, type ProblemError } from '../http/problem.ts'

const challenge = (value: string) => ({ headers: { 'www-authenticate': value } })

const TokenMissing = createProblem(
  'SLUICE_TOKEN_MISSING',
  'Missing authorization token',
  401,
  challenge('Bearer')
)
const TokenExpired = createProblem(
  'SLUICE_TOKEN_EXPIRED',
  'Token expired',
  401,
  challenge('Bearer error="invalid_token", error_description="expired"')
)
export const TokenInvalid = createProblem(
  'SLUICE_TOKEN_INVALID',
  'Invalid token',
  401,
  challenge('Bearer error="invalid_token"')
)
const Forbidden = createProblem(
  'SLUICE_FORBIDDEN',
  'Not allowed',
  403,
  challenge('Bearer error="insufficient_scope"')
)
const KeysUnavailable = createProblem(
  'SLUICE_KEYS_UNAVAILABLE',
  'Tokens cannot be verified at the moment',
  503
)

// Shared, because they hold nothing of a request: creating an error costs as much as the rest of the response.
export const missing = new TokenMissing()
export const invalid = new TokenInvalid()
export const expired = new TokenExpired()

/** Returns a 403 with `insufficient_scope` (RFC 6750, 3.1), for a route's own rules. */
export function forbidden(): ProblemError {
  return new Forbidden()
}

/** Returns a 503. @param retryAfter milliseconds */
export function keysUnavailable(retryAfter = 1_000): ProblemError {
  return new KeysUnavailable({
    headers: { 'retry-after': String(Math.max(1, Math.ceil(retryAfter / 1_000))) }
  })
}
