import type { FastifyInstance } from 'fastify'

/**
 * Checks that a plugin which only the user can register, since it needs options, is there.
 *
 * @param name as it is exported: `upstreams`
 * @param by plugin that needs it
 * @throws if it is registered neither here nor on a parent
 */
export function requirePlugin(fastify: FastifyInstance, name: string, by: string): void {
  if (fastify.hasPlugin(`sluice-${name}`)) return
  throw new Error(`${by} needs ${name}: register ${name} before it, on this app or on a parent of this scope`)
}
