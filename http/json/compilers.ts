import type { FastifyInstance, RouteOptions } from 'fastify'
import { appState } from '../../app-state.ts'
import { buildSerializer } from './serializer.ts'
import { buildValidator } from './validator.ts'

export type JsonCompilers = Required<Pick<RouteOptions, 'validatorCompiler' | 'serializerCompiler'>>

/**
 * Returns options for a route whose JSON numbers are exact and whose body is not coerced, whichever compilers the app has.
 * Routes of one app share them, except in scopes with schemas of their own (`addSchema`).
 */
export function jsonCompilers(scope: FastifyInstance): JsonCompilers {
  const compilers = appState(scope, 'json-compilers', () => new WeakMap<object, JsonCompilers>())
  // Fastify compiles when the app gets ready: by then the scope has all its schemas.
  const current = () => {
    const schemas = scope.getSchemas()
    const owner = Object.keys(schemas).length === 0 ? scope.server : scope
    let found = compilers.get(owner)
    if (found === undefined) {
      found = {
        validatorCompiler: buildValidator(schemas, {}),
        serializerCompiler: buildSerializer(schemas, {})
      } as unknown as JsonCompilers
      compilers.set(owner, found)
    }
    return found
  }
  return {
    validatorCompiler: part => current().validatorCompiler(part as never),
    serializerCompiler: part => current().serializerCompiler(part)
  }
}
