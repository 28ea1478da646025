import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { startOverloadMonitor } from '../http/overload-monitor.ts'
import { createProblem } from '../http/problem.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { OverloadPluginOptions } from '../schemas/options/overload.ts'

const Overloaded = createProblem('SLUICE_OVERLOADED', 'The gateway is overloaded', 503, {
  headers: { 'retry-after': '1' }
})

/**
 * Rejects requests of a scope with 503 and `Retry-After` while the process cannot keep up, so that it answers the others
 * in time. Register it after CORS and before everything else.
 *
 * The measure is the delay of the event loop. Scopes of low priority are rejected from `maxEventLoopDelay` on, normal
 * ones from twice, high ones from four times that delay. One monitor serves all scopes of an app.
 *
 * ```ts
 * await scope.register(overload, { maxEventLoopDelay: 100, priority: 'low' })
 * ```
 *
 * @throws at registration if another scope of the app has another `maxEventLoopDelay`
 */
async function overload(fastify: FastifyInstance, options: Input<typeof OverloadPluginOptions>) {
  const { maxEventLoopDelay, priority } = completeOptions(OverloadPluginOptions, options, 'overload')
  const monitor = startOverloadMonitor(fastify, maxEventLoopDelay)
  if (monitor.maxEventLoopDelay !== maxEventLoopDelay)
    throw new Error(
      `overload: maxEventLoopDelay is ${maxEventLoopDelay} here and ${monitor.maxEventLoopDelay} in another scope`
    )

  fastify.addHook('onRequest', (_request, _reply, done) => {
    done(monitor.tryReject(priority) ? new Overloaded({ members: { retryAfter: 1 } }) : undefined)
  })
}

export default fp(overload, { name: 'sluice-overload', fastify: '5.x' })
