import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import type { Operator } from '../admin/sessions.ts'
import { createProblem } from '../http/problem.ts'
import { MAX_ACTIVE } from './cluster-actions.ts'
import type { MergedUpstream } from './merge/upstreams.ts'
import type { RetainedState } from './retained-state.ts'
import { parseUntil, Until } from './until.ts'
import type { Views } from './views.ts'
import { nameMissing } from './worker-requests.ts'

const ActionOptions = Type.Object(
  {
    upstream: Type.String({ minLength: 1, maxLength: 64 }),
    endpoint: Type.Optional(Type.String({ minLength: 1, maxLength: 4_096 })),
    action: Type.Enum(['drain', 'eject', 'open', 'reset']),
    until: Type.Optional(Until),
    reason: Type.Optional(Type.String({ maxLength: 200 }))
  },
  { additionalProperties: false }
)
type ActionOptions = Static<typeof ActionOptions>

const InvalidAction = createProblem('SLUICE_INVALID_ACTION', 'The action is invalid', 400)
const NoSuchUpstream = createProblem('SLUICE_NO_SUCH_UPSTREAM', 'There is no such upstream', 404)
const NoSuchEndpoint = createProblem('SLUICE_NO_SUCH_ENDPOINT', 'The upstream has no such endpoint', 404)
const NoSuchAction = createProblem('SLUICE_NO_SUCH_ACTION', 'No such action is active', 404)
const LastEndpoint = createProblem(
  'SLUICE_LAST_ENDPOINT',
  'No endpoint would be left; open the breaker instead',
  409
)
const TooManyActions = createProblem(
  'SLUICE_TOO_MANY_ACTIONS',
  `${MAX_ACTIVE} actions are active; end one of them first`,
  409
)

type Id = { Params: { id: string } }

/** Serves the actions of operators on upstreams: `GET /actions`, `POST /actions`, `DELETE /actions/:id`. */
export async function actionRoutes(
  admin: FastifyInstance,
  { views, retained: { actions } }: { views: Views; retained: RetainedState }
) {
  admin.addHook('onRoute', route => {
    route.config = { ...route.config, isPrivate: true }
  })

  admin.get('/actions', () => actions.list())
  admin.post('/actions', { schema: { body: ActionOptions } }, async (request, reply) => {
    const options = request.body as ActionOptions
    const { action, endpoint, reason } = options
    const until = endOf(options)
    const operator = request.operator as Operator
    const upstreams = await views.upstreams(reply)
    const upstream = upstreams.find(({ name }) => name === options.upstream)
    if (upstream === undefined)
      throw new NoSuchUpstream({ members: { known: upstreams.map(({ name }) => name) } })
    if (endpoint !== undefined) assertOthers(upstream, endpoint)
    const common = { upstream: upstream.name, ...(reason !== undefined && { reason }), operator }
    const started =
      action === 'reset'
        ? actions.reset(common)
        : actions.start({ ...common, ...(endpoint !== undefined && { endpoint }), action, until })
    if (started === undefined) throw new TooManyActions()
    const { action: record, missing } = await started
    nameMissing(reply, missing)
    return reply.code(201).header('location', `/actions/${record.id}`).send(record)
  })
  admin.delete<Id>('/actions/:id', async (request, reply) => {
    const ended = actions.end(request.params.id, request.operator as Operator)
    if (ended === undefined) throw new NoSuchAction()
    nameMissing(reply, (await ended).missing)
    return reply.code(204).send()
  })

  /** @throws if the endpoint is unknown, or the last one that gets calls: clients of an open breaker are told to wait */
  function assertOthers({ name, endpoints }: MergedUpstream, url: string): void {
    const known = endpoints.map(endpoint => endpoint.url)
    if (!known.includes(url)) throw new NoSuchEndpoint({ members: { known } })
    const out = new Set(actions.active().flatMap(action => (action.upstream === name ? action.endpoint : [])))
    if (known.every(one => one === url || out.has(one))) throw new LastEndpoint()
  }
}

/**
 * Returns the end of the action in epoch milliseconds; 0 for `reset`.
 * @throws SLUICE_INVALID_ACTION, SLUICE_INVALID_UNTIL (400)
 */
function endOf({ action, endpoint, until }: ActionOptions): number {
  const fail = (reason: string) => new InvalidAction({ members: { reason } })
  const isOfEndpoint = action === 'drain' || action === 'eject'
  if (isOfEndpoint && endpoint === undefined) throw fail(`${action} needs an endpoint`)
  if (!isOfEndpoint && endpoint !== undefined)
    throw fail(`${action} concerns the breaker of all endpoints, so it takes no endpoint`)
  if (action === 'reset') {
    if (until !== undefined) throw fail('reset is over at once, so it takes no until')
    return 0
  }
  if (until === undefined) throw fail(`${action} needs until, an ISO instant within 7 days`)
  return parseUntil(until)
}
