import type { FastifyInstance } from 'fastify'
import Type from 'typebox'

/** A Fastify plugin, of whatever type provider: hence a method, whose parameters TypeScript compares both ways. */
export type Routes = {
  plugin(app: FastifyInstance, options: object, done: (error?: Error) => void): void | Promise<void>
}['plugin']

export const RoutesPlugin = Type.Unsafe<Routes>(
  Type.Refine(
    Type.Unknown(),
    value => typeof value === 'function',
    () => 'must be a Fastify plugin'
  )
)
