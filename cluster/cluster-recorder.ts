import type { FastifyInstance, FastifyReply } from 'fastify'
import {
  assertMatch,
  type CaptureDescription,
  NoSuchCapture,
  NoSuchExchange,
  TooManyCaptures,
  TooManyReaders
} from '../admin/recorder-routes.ts'
import { CaptureOptions } from '../observe/recorder/captures.ts'
import { Filter } from '../observe/recorder/filter.ts'
import type { Summary } from '../observe/recorder/show.ts'
import type { ClusterCapture } from './cluster-captures.ts'
import type { Cluster } from './cluster-types.ts'
import { followAll } from './follow-workers.ts'
import { joinItems, mergeExchanges, splitLast } from './merge/exchanges.ts'
import type { RetainedState } from './retained-state.ts'
import {
  ask,
  askAll,
  NoResponse,
  nameMissing,
  probeStream,
  read,
  successes,
  type WorkerResponse
} from './worker-requests.ts'

type Id = { Params: { id: string } }

/** Timeout for responses with bodies, in ms. */
const WHOLE = { timeout: 10_000 }
const MAX_READERS = 16
const JSON_TYPE = 'application/json; charset=utf-8'
/** Head of a HAR without entries. */
const EMPTY = '{"log":{"version":"1.2","creator":{"name":"Sluice","version":""},"pages":[],"entries":['

/** The routes of admin/recorder-routes.ts for all workers together. */
export async function recorderRoutes(
  admin: FastifyInstance,
  { cluster, retained: { captures } }: { cluster: Cluster; retained: RetainedState }
) {
  admin.addHook('onRoute', route => {
    route.config = { ...route.config, isPrivate: true }
  })
  const schema = { querystring: Filter }
  let readers = 0

  admin.get('/exchanges', { schema }, async ({ query }, reply) =>
    mergeExchanges((await list(query as Filter, reply)).map(read<Summary[]>), (query as Filter).limit)
  )
  admin.get('/exchanges.har', { schema }, async ({ query }, reply) => {
    reply.header('content-disposition', 'attachment; filename="exchanges.har"')
    const filter = query as Filter
    const lists = (await list(filter, reply)).map(response =>
      read<Summary[]>(response).map(exchange => ({ ...exchange, worker: response.worker.id }))
    )
    const shares = new Map<number, number>()
    for (const { worker } of mergeExchanges(lists, filter.limit))
      shares.set(worker, (shares.get(worker) ?? 0) + 1)
    const hars = await askAll(
      cluster,
      reply,
      ({ id }) => {
        const limit = shares.get(id)
        return limit === undefined ? undefined : `/exchanges.har?${searchOf({ ...filter, limit })}`
      },
      WHOLE
    )
    return sendHar(reply, successes(hars))
  })
  admin.get<Id>('/exchanges/:id', async ({ params: { id } }, reply) => {
    const isHar = id.endsWith('.har')
    const name = isHar ? id.slice(0, -4) : id
    // For a worker `live` is an endless stream.
    if (name === 'live') throw new NoSuchExchange()
    const responses = await askAll(cluster, reply, `/exchanges/${encodeURIComponent(name)}`)
    const found = responses
      .filter(({ status }) => status === 200)
      .map(response => [{ ...read<Summary>(response), worker: response.worker }])
    const [latest] = mergeExchanges(found, 1)
    if (latest === undefined) throw new NoSuchExchange()
    const { worker, ...exchange } = latest
    if (!isHar) return exchange
    return sendHar(reply, successes([await ask(worker, `/exchanges/${exchange.id}.har`)]))
  })

  admin.get('/exchanges/live', { schema, exposeHeadRoute: false }, async ({ query, headers }, reply) => {
    await list({ limit: 1 }, reply)
    const path = `/exchanges/live?${searchOf(query as Filter)}`
    await probeStream(cluster, path)
    if (readers >= MAX_READERS) throw new TooManyReaders()
    readers++
    const isEvents = headers.accept?.includes('text/event-stream') === true
    const stream = followAll(cluster, path, json => (isEvents ? `data: ${json}\n\n` : `${json}\n`))
    stream.once('close', () => readers--)
    return reply.type(isEvents ? 'text/event-stream' : 'application/x-ndjson').send(stream)
  })

  admin.post('/captures', { schema: { body: CaptureOptions } }, async ({ body, log, operator }, reply) => {
    assertMatch(body as CaptureOptions)
    const started = await captures.start(body as CaptureOptions)
    if (started === undefined) throw new TooManyCaptures()
    const { capture, responses, missing } = started
    nameMissing(reply, missing)
    try {
      if (responses.length === 0 && missing.length > 0) throw new NoResponse()
      successes(responses)
    } catch (error) {
      captures.remove(capture)
      throw error
    }
    log.info({ operator, capture: capture.id }, 'capture started')
    return reply.code(201).header('location', `/captures/${capture.id}`).send(captures.describe(capture, []))
  })
  admin.get('/captures', async (_request, reply) => {
    const all = captures.list()
    if (all.length === 0) return []
    const parts = successes(await askAll(cluster, reply, '/captures')).flatMap(read<CaptureDescription[]>)
    return all.map(capture => {
      const own = new Set(capture.parts.values())
      return captures.describe(
        capture,
        parts.filter(({ id }) => own.has(id))
      )
    })
  })
  admin.get<Id>('/captures/:id', async ({ params: { id } }, reply) => {
    const isHar = id.endsWith('.har')
    const capture = captures.find(isHar ? id.slice(0, -4) : id)
    if (capture === undefined) throw new NoSuchCapture()
    const asked = await askAll(
      cluster,
      reply,
      ({ id }) => pathOf(capture.parts.get(id), isHar ? '.har' : ''),
      WHOLE
    )
    const responses = asked.filter(({ status }) => status === 200)
    return isHar ? sendHar(reply, responses) : sendCapture(capture, reply, responses)
  })
  admin.delete<Id>('/captures/:id', async ({ params: { id }, log, operator }, reply) => {
    const capture = captures.find(id)
    if (capture === undefined) throw new NoSuchCapture()
    const { parts } = capture
    captures.remove(capture)
    log.info({ operator, capture: id }, 'capture removed')
    await askAll(cluster, reply, ({ id }) => pathOf(parts.get(id)), { method: 'DELETE' })
    return reply.code(204).send()
  })

  async function list(filter: Filter, reply: FastifyReply): Promise<WorkerResponse[]> {
    return successes(await askAll(cluster, reply, `/exchanges?${searchOf(filter)}`))
  }

  function sendCapture(
    capture: ClusterCapture,
    reply: FastifyReply,
    responses: WorkerResponse[]
  ): FastifyReply {
    const parts = responses.map(({ body }) => splitLast(body, 'exchanges', ']}'))
    const described = captures.describe(
      capture,
      parts.map(({ head }) => JSON.parse(`${head}]}`))
    )
    const head = Buffer.from(`${JSON.stringify(described).slice(0, -1)},"exchanges":[`)
    const items = parts.map(part => part.items)
    return reply.type(JSON_TYPE).send(joinItems(head, items, ']}'))
  }
}

function sendHar(reply: FastifyReply, responses: WorkerResponse[]): FastifyReply {
  const parts = responses.map(({ body }) => splitLast(body, 'entries', ']}}'))
  const head = parts[0]?.head ?? Buffer.from(EMPTY)
  const items = parts.map(part => part.items)
  return reply.type(JSON_TYPE).send(joinItems(head, items, ']}}'))
}

function pathOf(id: string | undefined, ending = ''): string | undefined {
  return id === undefined ? undefined : `/captures/${id}${ending}`
}

function searchOf(filter: Filter): string {
  return new URLSearchParams(Object.entries(filter).map(([name, value]) => [name, String(value)])).toString()
}
