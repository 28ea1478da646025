import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { describeRoutes } from '../observe/route-metadata.ts'

export interface ScopeNameOptions {
  name: string
  version?: string | undefined
  /** Request headers to pass on that are dropped by default (see header-names.ts). */
  passHeaders?: readonly string[] | undefined
}

/** Writes scope, version and allowed headers into the config of each route, for log, metrics and outgoing requests. */
async function scope(fastify: FastifyInstance, { name, version, passHeaders = [] }: ScopeNameOptions) {
  describeRoutes(fastify, {
    scope: name,
    ...(version !== undefined && { version }),
    ...(passHeaders.length > 0 && { passHeaders: new Set(passHeaders.map(each => each.toLowerCase())) })
  })
}

export default fp(scope, { name: 'sluice-scope', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyContextConfig {
    /** In lower case. */
    passHeaders?: ReadonlySet<string>
  }
}
