import type { FastifyInstance } from 'fastify'
import { createProblem } from '../http/problem.ts'
import { type Capture, CaptureOptions, type CaptureState } from '../observe/recorder/captures.ts'
import { createFilter, Filter } from '../observe/recorder/filter.ts'
import { assertKnown } from '../observe/recorder/known-names.ts'
import type { Recorder } from '../plugins/recorder.ts'

export const NoSuchExchange = createProblem(
  'SLUICE_NO_SUCH_EXCHANGE',
  'The recorder does not have this exchange, or no longer has it',
  404
)
export const NoSuchCapture = createProblem('SLUICE_NO_SUCH_CAPTURE', 'There is no such capture', 404)
export const TooManyReaders = createProblem(
  'SLUICE_TOO_MANY_READERS',
  'Too many clients read the live stream',
  503
)
export const TooManyCaptures = createProblem('SLUICE_TOO_MANY_CAPTURES', 'Too many captures are active', 409)
const NothingToMatch = createProblem(
  'SLUICE_CAPTURE_ALL',
  'A capture needs a consumer, a route or a header to match',
  400
)

type Id = { Params: { id: string } }

/**
 * Serves the recorder: `GET /exchanges`, `/exchanges.har`, `/exchanges/:id`, `/exchanges/:id.har`, `/exchanges/live` (lines of
 * JSON, or server-sent events if the client accepts them) and `/captures`.
 */
export async function recorderRoutes(admin: FastifyInstance, { recorder }: { recorder: Recorder }) {
  admin.addHook('onRoute', route => {
    route.config = { ...route.config, isPrivate: true }
  })
  const schema = { querystring: Filter }
  const { captures, live } = recorder

  admin.get('/exchanges', { schema }, ({ query }) => recorder.list(query as Filter))
  admin.get('/exchanges.har', { schema }, ({ query }, reply) => {
    reply.header('content-disposition', 'attachment; filename="exchanges.har"')
    return recorder.har(query as Filter)
  })
  admin.get<Id>('/exchanges/:id', ({ params: { id } }) => {
    const isHar = id.endsWith('.har')
    const detail = recorder.find(isHar ? id.slice(0, -4) : id)
    if (detail === undefined) throw new NoSuchExchange()
    return isHar ? recorder.harOf([detail]) : detail
  })

  // A response to HEAD would never end.
  admin.get('/exchanges/live', { schema, exposeHeadRoute: false }, ({ query, headers }, reply) => {
    assertKnown(query as Filter, recorder.names())
    const isEvents = headers.accept?.includes('text/event-stream') === true
    const stream = live.follow(createFilter(query as Filter), json =>
      isEvents ? `data: ${json}\n\n` : `${json}\n`
    )
    if (stream === undefined) throw new TooManyReaders()
    return reply.type(isEvents ? 'text/event-stream' : 'application/x-ndjson').send(stream)
  })

  admin.post('/captures', { schema: { body: CaptureOptions } }, ({ body }, reply) => {
    const options = body as CaptureOptions
    assertMatch(options)
    const capture = captures.start(options)
    if (capture === undefined) throw new TooManyCaptures()
    return reply.code(201).header('location', `/captures/${capture.id}`).send(describe(capture))
  })
  admin.get('/captures', () => captures.list().map(describe))
  admin.get<Id>('/captures/:id', ({ params: { id } }) => {
    const isHar = id.endsWith('.har')
    const capture = captures.find(isHar ? id.slice(0, -4) : id)
    if (capture === undefined) throw new NoSuchCapture()
    const exchanges = recorder.details(capture.exchanges.toReversed())
    return isHar ? recorder.harOf(exchanges) : { ...describe(capture), exchanges }
  })
  admin.delete<Id>('/captures/:id', ({ params: { id } }, reply) => {
    if (!captures.remove(id)) throw new NoSuchCapture()
    return reply.code(204).send()
  })
}

/** @throws SLUICE_CAPTURE_ALL (400) if the capture would match every exchange */
export function assertMatch({ consumer, route, header }: CaptureOptions): void {
  if (consumer === undefined && route === undefined && header === undefined) throw new NothingToMatch()
}

/** A capture as operators see it. */
export interface CaptureDescription {
  id: string
  state: CaptureState
  startedAt: string
  endsAt: string
  match: object
  taken: number
  bytes: number
}

/** Returns what a capture matches, without the header's value, which may be a credential. */
export function shownMatch({ header, ...match }: Capture['options']): object {
  return { ...match, ...(header && { header: { name: header.name } }) }
}

function describe({ id, options, startedAt, endsAt, state, exchanges, bytes }: Capture): CaptureDescription {
  return {
    id,
    state,
    startedAt: new Date(startedAt).toISOString(),
    endsAt: new Date(endsAt).toISOString(),
    match: shownMatch(options),
    taken: exchanges.length,
    bytes
  }
}
