import type { FastifyInstance } from 'fastify'
import Type from 'typebox'

/** A Fastify plugin with any type provider. Declared as a method, since TypeScript compares its parameters both ways. */
export type Routes = {
  plugin(app: FastifyInstance, options: object, done: (error?: Error) => void): void | Promise<void>
}['plugin']

export const RoutesPlugin = Type.Unsafe<Routes>(FunctionOption('must be a Fastify plugin'))

/** Registers plugins and hooks on a scope. */
export type ScopeHooks = (scope: FastifyInstance) => unknown

export const ScopeHooks = Type.Unsafe<ScopeHooks>(
  FunctionOption('must be a function that registers plugins on a scope')
)

/** `{version}`, as a segment, stands for the name of a version. */
export const Prefix = Type.Refine(
  Type.String(),
  value => /^(\/([\w.~-]+|\{version\}))+$/.test(value),
  () => 'must be a path such as /api/v1/orders, without a slash at its end'
)

/** A JSON schema, such as one of TypeBox. */
export const SchemaOption = Type.Refine(
  Type.Unknown(),
  value => typeof value === 'object' && value !== null,
  () => 'must be a schema'
)

/** Texts on a route for its OpenAPI document. Its schemas are options of their own. */
export const RouteTexts = Type.Object(
  {
    summary: Type.Optional(Type.String()),
    description: Type.Optional(Type.String()),
    operationId: Type.Optional(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_.-]*$' })),
    tags: Type.Optional(Type.Array(Type.String({ minLength: 1 })))
  },
  { additionalProperties: false }
)

export function FunctionOption(message = 'must be a function') {
  return Type.Refine(
    Type.Unknown(),
    value => typeof value === 'function',
    () => message
  )
}
