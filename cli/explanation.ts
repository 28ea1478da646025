import type { Problem } from '../http/problem.ts'
import type { Redactor } from '../observe/redact/redactor.ts'
import { routeTable } from '../observe/served-routes.ts'
import type { GatewayConfig } from '../schemas/options/gateway.ts'
import type { DryRun, DryRunResult, PlannedCall } from './dry-run.ts'
import { STEPS, type StepContext, type StepName } from './steps.ts'

/** The steps of a request through the gateway, in the order in which the gateway takes them. */
export interface Explanation {
  steps: Step[]
  calls: PlannedCall[]
  /** The response to the client. Undefined if it depends on an upstream or on the route's own handler. */
  response: { status: number; title?: string; type?: string; errors?: Problem['errors'] } | undefined
}

export interface Step {
  step: StepName
  outcome: 'passed' | 'stopped' | 'not reached'
  detail: string
}

/** The problem types of each step. All others belong to the handler. */
const STOPS: [step: StepName, type: RegExp][] = [
  [
    'request',
    /^urn:sluice:(bad-|unknown-(expectation|coding|version)$|(too-many-headers|headers-too-large)$)/
  ],
  ['route', /^urn:sluice:(route-not-found|method-not-allowed)$/],
  ['load shedding', /^urn:sluice:overloaded$/],
  ['IP filter', /^urn:sluice:address-rejected$/],
  ['CORS', /^urn:sluice:not-preflight$/],
  ['version', /^urn:sluice:version-(unknown|conflict|missing)$/],
  ['authentication', /^urn:sluice:(token-|keys-unavailable$)/],
  ['lifecycle', /^urn:sluice:version-(gone|brownout)$/],
  ['validation', /^urn:sluice:(validation-failed|body-too-large)$/]
]

export function explain(
  result: DryRunResult,
  { routes, gateway }: DryRun,
  config: GatewayConfig,
  redactor: Redactor
): Explanation {
  const { response, calls } = result
  const problem = problemIn(result)
  const { type = '', title, detail, errors } = problem
  // The services or the handler would decide the response.
  const isOpen = calls.length > 0 || type === 'urn:sluice:not-run'
  const stop = isOpen ? undefined : stopOf(result, problem)
  const context = { result, problem, config, table: routeTable(routes, config), gateway, redactor }
  const status = [response.status || 'no response', title].filter(Boolean).join(' ')
  return {
    steps: stepsUntil(stop, detail === undefined ? status : `${status}: ${detail}`, context),
    calls,
    response: isOpen
      ? undefined
      : {
          status: response.status,
          ...(title !== undefined && { title }),
          ...(type !== '' && type !== 'about:blank' && { type }),
          ...(errors && { errors })
        }
  }
}

function stepsUntil(stop: StepName | undefined, reason: string, context: StepContext): Step[] {
  const steps: Step[] = []
  let outcome: Step['outcome'] = 'passed'
  for (const step of Object.keys(STEPS) as StepName[]) {
    const detail = STEPS[step](context)
    if (step === stop) {
      steps.push({ step, outcome: 'stopped', detail: [reason, detail].filter(Boolean).join('; ') })
      // No scope has been entered yet, so no further steps are known.
      if (step === 'request' || step === 'route') break
      outcome = 'not reached'
    } else if (detail !== undefined) steps.push({ step, outcome, detail })
  }
  return steps
}

function stopOf(result: DryRunResult, problem: Partial<Problem>): StepName {
  const { exchange, response, limits } = result
  // `OPTIONS *` gets its response before routing.
  if (exchange === undefined || (response.status < 300 && exchange.route === undefined)) return 'request'
  if (isPreflight(result)) return 'CORS'
  const { type = '', status } = problem
  if (type === 'https://iana.org/assignments/http-problem-types#quota-exceeded')
    return limits.at(-1)?.key.startsWith('consumer:') ? 'consumer limit' : 'address limit'
  // A 500 before a declared limit was checked comes from that limit.
  const unchecked = exchange.config.limits?.find(
    ({ by }) => !limits.some(({ key }) => key.startsWith(`${by}:`))
  )
  if (status === 500 && unchecked !== undefined) return `${unchecked.by} limit`
  const [step] = STOPS.find(([, pattern]) => pattern.test(type)) ?? []
  return step ?? (isOfBody(problem) ? 'validation' : 'handler')
}

/** Returns an empty object for responses that are no problem. */
function problemIn({ response: { headers, body } }: DryRunResult): Partial<Problem> {
  if (!headers['content-type']?.startsWith('application/problem+json')) return {}
  try {
    return JSON.parse(body)
  } catch {
    return {}
  }
}

function isPreflight({ exchange, response }: DryRunResult): boolean {
  return (
    response.status === 204 &&
    exchange?.reply.request.method === 'OPTIONS' &&
    response.headers['access-control-allow-methods'] !== undefined
  )
}

/** Returns true for Fastify's errors about bodies that it cannot read. */
function isOfBody({ status = 0, type }: Partial<Problem>): boolean {
  return type === 'about:blank' && (status === 413 || status === 415 || status === 400)
}
