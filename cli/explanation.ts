import type { Problem } from '../http/problem.ts'
import type { Redactor } from '../observe/redact/redactor.ts'
import type { GatewayConfig } from '../schemas/options/gateway.ts'
import type { Rehearsal, Rehearsed, WouldBeCall } from './rehearsal.ts'
import { STEPS, type StepName } from './steps.ts'
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
  [
    'request',
    /^urn:sluice:(bad-|unknown-(expectation|coding|version)$|(too-many-headers|headers-too-large)$)/
  ],
  ['route', /^urn:sluice:(route-not-found|method-not-allowed)$/],
  ['load', /^urn:sluice:overloaded$/],
  ['ipFilter', /^urn:sluice:address-rejected$/],
  ['cors', /^urn:sluice:not-preflight$/],
  ['version', /^urn:sluice:version-(unknown|conflict|missing)$/],
  ['token', /^urn:sluice:(token-|keys-unavailable$)/],
  ['lifetime', /^urn:sluice:version-(gone|brownout)$/],
  ['validation', /^urn:sluice:(validation-failed|body-too-large)$/]
]

export function explanationOf(
  rehearsed: Rehearsed,
  { routes, gateway }: Rehearsal,
  config: GatewayConfig,
  redactor: Redactor
): Explanation {
  const { answer, calls } = rehearsed
  const problem = problemOf(rehearsed)
  const { type = '', title, errors } = problem
  const isOpen = calls.length > 0 || type === 'urn:sluice:not-run'
  const stop = isOpen ? undefined : stopOf(rehearsed, problem)
  const scene = { rehearsed, problem, config, table: tableOf(routes, config), gateway, redactor }
  const said = [answer.status || 'no answer', title].filter(Boolean).join(' ')
  const reason = problem.detail === undefined ? said : `${said}: ${problem.detail}`

  const steps: Step[] = []
  let outcome: Step['outcome'] = 'passed'
  for (const step of Object.keys(STEPS) as StepName[]) {
    const detail = STEPS[step](scene)
    const isStop = step === stop
    if (detail === undefined && !isStop) continue
    if (isStop) outcome = 'stopped'
    steps.push({
      step,
      outcome,
      detail: isStop ? [reason, detail].filter(Boolean).join('; ') : (detail as string)
    })
    if (!isStop) continue
    outcome = 'not reached'
    if (step === 'request' || step === 'route') break
  }
  return {
    steps,
    calls,
    answer: isOpen
      ? undefined
      : {
          status: answer.status,
          ...(title !== undefined && { title }),
          ...(type !== '' && type !== 'about:blank' && { type }),
          ...(errors && { errors })
        }
  }
}

function stopOf(rehearsed: Rehearsed, problem: Partial<Problem>): StepName {
  // `OPTIONS *` and the like have an answer before there is a route.
  if (
    rehearsed.exchange === undefined ||
    (rehearsed.answer.status < 300 && rehearsed.exchange.route === undefined)
  )
    return 'request'
  if (isPreflight(rehearsed)) return 'cors'
  const { type = '' } = problem
  if (type === 'https://iana.org/assignments/http-problem-types#quota-exceeded')
    return rehearsed.limits.at(-1)?.key.startsWith('consumer:') ? 'consumer limit' : 'address limit'
  // A limit that was not asked has failed.
  const unmet = rehearsed.exchange.config.limits?.find(
    ({ by }) => !rehearsed.limits.some(({ key }) => key.startsWith(`${by}:`))
  )
  if (problem.status === 500 && unmet !== undefined) return `${unmet.by} limit`
  const known = STOPS.find(([, pattern]) => pattern.test(type))
  return known?.[0] ?? (isOfBody(problem) ? 'validation' : 'route itself')
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
