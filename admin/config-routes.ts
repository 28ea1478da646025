import type { FastifyInstance } from 'fastify'
import { describeConfig } from '../config/describe-config.ts'
import { patternsOf } from '../observe/route-patterns.ts'
import { routeTable } from '../observe/served-routes.ts'

/** Serves what a gateway was built from: `/routes` and `/config`. */
export async function configRoutes(admin: FastifyInstance, { gateway }: { gateway: FastifyInstance }) {
  const { built } = gateway
  if (built === undefined) return
  const { config, routes } = built

  admin.get('/config', { config: { isPrivate: true } }, () => describeConfig(config))
  admin.get('/routes', { config: { isPrivate: true } }, () =>
    routeTable(routes, config).map(route => ({ ...route, patterns: patternsOf(route, config) }))
  )
}
