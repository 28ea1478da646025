import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { type ConfigFault, faultsOf } from '../schemas/options/faults.ts'

/**
 * Returns the environment variables that `schema` names, converted, with defaults filled in. An empty variable counts as
 * not set. An invalid one is a fault and gets its default, so that faults of the config can be found too.
 */
export function readEnvironment(
  schema: TSchema,
  env: NodeJS.ProcessEnv
): { values: object; faults: ConfigFault[] } {
  const names = Object.keys((schema as unknown as { properties: object }).properties)
  const set = Object.fromEntries(names.filter(name => env[name]).map(name => [name, env[name]]))
  const given = Value.Convert(schema, structuredClone(set)) as Record<string, unknown>
  const faults = faultsOf(schema, Value.Default(schema, structuredClone(given))).map(({ path, message }) => ({
    path: path.slice(1),
    message
  }))
  for (const { path } of faults) delete given[path]
  return { values: Value.Default(schema, given) as object, faults }
}
