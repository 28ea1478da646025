import type { Problem } from '../plugins/problem.ts'
import type { GatewayConfig } from '../schemas/gateway.ts'
import type { Rehearsal, Rehearsed, WouldBeCall } from './rehearsal.ts'
import { type StepName, steps } from './steps.ts'
import { tableOf } from './table.ts'

/** What became of a request in a rehearsal, step by step, in the order in which the gateway takes them. */
export interface Explanation {
  steps: Step[]
  calls: WouldBeCall[]
  /** What the client would get, if that does not depend on an upstream or on the route's own handler. */
  answer: { status: number; title?: string; type?: string; errors?: Problem['errors'] } | undefined
}

export interface Step {
  step: StepName
  outcome: 'passed' | 'stopped' | 'not reached'
  detail: string
}

/** Which step answers by which problem. What is in none of them is the route's own. */
const STOPS: [step: StepName, type: RegExp][] = [
  ['request', /^urn:sluice:(bad-|unknown-(expectation|coding|version)$|too-many-headers$)/],
  ['route', /^urn:sluice:(route-not-found|method-not-allowed)$/],
  ['load', /^urn:sluice:overloaded$/],
  ['addresses', /^urn:sluice:address-refused$/],
  ['cors', /^urn:sluice:no-preflight$/],
  ['version', /^urn:sluice:version-(unknown|conflict|missing)$/],
  ['token', /^urn:sluice:(token-|keys-unavailable$)/],
  ['lifetime', /^urn:sluice:version-(gone|brownout)$/],
  ['validation', /^urn:sluice:(validation-failed|body-too-large)$/]
]

export function explanationOf(
  rehearsed: Rehearsed,
  { routes, gateway }: Rehearsal,
  config: GatewayConfig
): Explanation {
  const { exchange, answer, calls } = rehearsed
  const problem = problemOf(rehearsed)
  const { type = '' } = problem
  const isSent = calls.length > 0
  const isNotRun = type === 'urn:sluice:not-run'
  const stop: StepName | undefined =
    isSent || isNotRun
      ? undefined
      : exchange === undefined
        ? 'request'
        : isPreflight(rehearsed)
          ? 'cors'
          : (STOPS.find(([, pattern]) => pattern.test(type))?.[0] ??
            (isOfBody(problem) ? 'validation' : 'route itself'))

  const table = tableOf(routes, config)
  const all = steps({ rehearsed, problem, config, table, gateway, stop })
  const at = all.findIndex(({ step }) => step === stop)
  return {
    steps: all.map(({ step, detail }, i) => ({
      step,
      outcome: at === -1 || i < at ? 'passed' : i === at ? 'stopped' : 'not reached',
      detail
    })),
    calls,
    answer:
      isSent || isNotRun
        ? undefined
        : {
            status: answer.status,
            ...(problem.title !== undefined && { title: problem.title }),
            ...(type !== '' && type !== 'about:blank' && { type }),
            ...(problem.errors && { errors: problem.errors })
          }
  }
}

/** Of an answer that is none, nothing. */
function problemOf({ answer: { headers, body } }: Rehearsed): Partial<Problem> {
  if (!headers['content-type']?.startsWith('application/problem+json')) return {}
  try {
    return JSON.parse(body)
  } catch {
    return {}
  }
}

function isPreflight({ exchange, answer }: Rehearsed): boolean {
  return (
    answer.status === 204 &&
    exchange?.reply.request.method === 'OPTIONS' &&
    answer.headers['access-control-allow-methods'] !== undefined
  )
}

/** Fastify's own refusals of a body that it cannot read. */
function isOfBody({ status = 0, type }: Partial<Problem>): boolean {
  return type === 'about:blank' && (status === 413 || status === 415 || status === 400)
}
