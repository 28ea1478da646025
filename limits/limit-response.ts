import type { FastifyReply } from 'fastify'
import { createProblem, type ProblemError } from '../http/problem.ts'
import type { Decision, Tier } from './limiter.ts'

const QuotaExceeded = createProblem('SLUICE_QUOTA_EXCEEDED', 'Too many requests', 429, {
  type: 'https://iana.org/assignments/http-problem-types#quota-exceeded'
})
const LimitsUnavailable = createProblem(
  'SLUICE_LIMITS_UNAVAILABLE',
  'Limits cannot be checked at the moment',
  503,
  {
    type: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
    headers: { 'retry-after': '1' }
  }
)

/** Returns a 429 that names the limits which rejected the request. */
export function quotaExceeded(tier: Tier, decision: Decision): ProblemError {
  const violated = decision.flatMap((state, i) =>
    state.allowed ? [] : [{ name: tier.limits[i]?.name, reset: state.reset }]
  )
  const retryAfter = Math.max(...violated.map(({ reset }) => seconds(reset)))
  return new QuotaExceeded({
    members: { 'violated-policies': violated.map(({ name }) => name), retryAfter },
    headers: { 'retry-after': String(retryAfter) }
  })
}

/** Returns a 503. */
export function limitsUnavailable(): ProblemError {
  return new LimitsUnavailable()
}

/**
 * Adds `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10) to those of the scope's other limits.
 * Without a decision only the policy is known.
 */
export function addLimitHeaders(reply: FastifyReply, tier: Tier, decision: Decision | undefined): void {
  append(reply, 'ratelimit-policy', tier.policy)
  if (decision === undefined) return
  const states = decision.map(
    ({ remaining, reset }, i) => `"${tier.limits[i]?.name}";r=${remaining};t=${seconds(reset)}`
  )
  append(reply, 'ratelimit', states.join(', '))
}

function append(reply: FastifyReply, header: string, value: string): void {
  const before = reply.getHeader(header)
  reply.header(header, before === undefined ? value : `${before}, ${value}`)
}

function seconds(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1000))
}
