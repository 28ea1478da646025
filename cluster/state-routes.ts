import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import Type, { type Static } from 'typebox'
import { VersionsQuery } from '../admin/admin-app.ts'
import { TooManyReaders } from '../admin/recorder-routes.ts'
import { createProblem } from '../http/problem.ts'
import { createEventStream } from './event-stream.ts'
import type { RetainedState } from './retained-state.ts'
import { NOWHERE, type Views } from './views.ts'

const UnknownTopic = createProblem('SLUICE_UNKNOWN_TOPIC', 'There is no such topic', 400)

const EventsQuery = Type.Object({ topics: Type.String({ maxLength: 200 }) }, { additionalProperties: false })

const OPTIONS = { interval: 2_000, maxAge: 900_000, maxReaders: 16 }
/** Consumers of each version in the topic `versions`. */
const TOP = 20

/** Serves the state of all workers: `GET /overview`, `/history`, `/cluster` and others, and `/events`, a stream of them. */
async function stateRoutes(
  admin: FastifyInstance,
  { views, retained }: { views: Views; retained: RetainedState }
) {
  const sources = {
    overview: () => views.overview(NOWHERE, true),
    upstreams: () => views.upstreams(NOWHERE),
    limits: () => views.limits(NOWHERE),
    versions: () => views.versions(NOWHERE, TOP),
    cluster: () => views.cluster(),
    'route-rates': () => views.routeRates(NOWHERE),
    deploys: () => views.deploys(NOWHERE),
    actions: () => retained.actions.list()
  }
  const events = createEventStream(sources, OPTIONS)
  admin.decorate('endEvents', events.close)
  admin.addHook('preClose', async () => events.close())

  admin.get('/cluster', () => views.cluster())
  admin.get('/upstreams', (_request, reply) => views.upstreams(reply))
  admin.get('/limits', async ({ operator }, reply) => {
    const { near, ...limits } = await views.limits(reply)
    // Consumers and addresses are private.
    return operator === undefined ? limits : { ...limits, near }
  })
  admin.get('/versions', { schema: { querystring: VersionsQuery } }, ({ query }, reply) =>
    views.versions(reply, (query as Static<typeof VersionsQuery>).top)
  )
  admin.get('/deploys', { config: { isPrivate: true } }, (_request, reply) => views.deploys(reply))
  admin.get('/overview', ({ operator }, reply) => views.overview(reply, operator !== undefined))
  admin.get('/history', () => retained.history.view())
  admin.get('/route-rates', (_request, reply) => views.routeRates(reply))
  // A response to HEAD would never end.
  admin.get(
    '/events',
    { config: { isPrivate: true }, schema: { querystring: EventsQuery }, exposeHeadRoute: false },
    ({ query }, reply) => {
      const topics = (query as Static<typeof EventsQuery>).topics.split(',')
      const known = Object.keys(sources)
      const unknown = topics.find(topic => !known.includes(topic))
      if (unknown !== undefined) throw new UnknownTopic({ members: { topic: unknown, known } })
      const stream = events.follow(topics as (keyof typeof sources)[])
      if (stream === undefined) throw new TooManyReaders()
      return reply.type('text/event-stream').send(stream)
    }
  )
}

export default fp(stateRoutes, { name: 'sluice-state-routes', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /** Ends the streams of `GET /events`. */
    endEvents?(): void
  }
}
