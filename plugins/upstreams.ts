import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { lookupOf } from '../http/lookup.ts'
import { describedUpstreams } from '../openapi/described-upstreams.ts'
import { createUpstreams } from '../proxy/create-upstreams.ts'
import { createSharing } from '../proxy/shared-breakers.ts'
import { createUpstream } from '../proxy/upstream.ts'
import { followActions } from '../proxy/upstream-action.ts'
import type { Upstream } from '../proxy/upstream-types.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { missingName, unknownName } from '../schemas/options/named.ts'
import type { UpstreamName } from '../schemas/options/upstream-name.ts'
import { UpstreamsOptions, upstreamsFaults } from '../schemas/options/upstreams.ts'
import exchange from './exchange.ts'
import http2 from './http2.ts'

/**
 * Services behind the gateway, by name. `forward`, `grpc`, `websocket`, `transform` and `compose` call them.
 *
 * ```ts
 * await app.register(upstreams, { upstreams: { orders: { url: 'http://127.0.0.1:4002' } } })
 * ```
 *
 * Registers `exchange` if the app has not. Errors of failed calls go to the app's error handler, with `statusCode`,
 * `code` and `headers`.
 */
async function upstreams(fastify: FastifyInstance, given: Input<typeof UpstreamsOptions>) {
  const { upstreams: options, maxHeaderSize } = completeOptions(
    UpstreamsOptions,
    given,
    'upstreams',
    ({ upstreams }) => upstreamsFaults(upstreams)
  )
  if (Object.hasOwn(fastify, 'upstreams'))
    throw new Error('upstreams is registered already: register it once, with all upstreams')
  if (!fastify.hasPlugin('sluice-exchange')) await fastify.register(exchange)
  // Without it, an HTTP/2 body without length would be dropped, and one that the client cancels would count as complete.
  if ('updateSettings' in fastify.server && !fastify.hasPlugin('sluice-http2')) await fastify.register(http2)

  const { log, supervisor, overrides } = fastify
  const create = overrides?.createUpstream ?? createUpstream
  const lookup = lookupOf(fastify)
  const sharing = supervisor && createSharing(supervisor.channel)
  const surroundings = { log, sharing, lookup, listeners: fastify.attemptListeners }
  const byName = createUpstreams(options, (name, one) =>
    create(name, { ...(maxHeaderSize !== undefined && { maxHeaderSize }), ...one }, surroundings)
  )

  for (const [name, { fallback, openapi }] of Object.entries(options))
    describedUpstreams(fastify).set(name, { fallback, openapi })

  fastify.decorate('upstreams', [...byName.values()])
  fastify.decorate('upstream', (name, route) => {
    const upstream = byName.get(name)
    if (upstream !== undefined) return upstream
    const known = [...byName.keys()]
    const message = name === undefined ? missingName('upstream', known) : unknownName('upstream', name, known)
    throw new Error(route === undefined ? message : `${route}: ${message}`)
  })
  const unfollow = supervisor && followActions(supervisor.channel, fastify.upstreams)
  fastify.addHook('onClose', async () => {
    unfollow?.()
    sharing?.close()
    await Promise.all(fastify.upstreams.map(upstream => upstream.close()))
  })
}

declare module 'fastify' {
  interface FastifyInstance {
    upstreams: readonly Upstream[]
    /**
     * Returns the upstream of that name.
     * @param route method and URL of the route that calls it, for the message
     * @throws if there is no such upstream
     */
    upstream(name: UpstreamName, route?: string): Upstream
  }
}

export default fp(upstreams, { name: 'sluice-upstreams', fastify: '5.x' })
