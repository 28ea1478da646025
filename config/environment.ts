import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { readVariable } from '../environment-value.ts'
import { type ConfigFault, faultsOf } from '../schemas/options/faults.ts'

/**
 * Returns the environment variables that `schema` names, converted, with defaults filled in. `NAME_FILE` names a file with
 * the value of `NAME`, unless `schema` has a variable of that name itself. An empty variable counts as not set. An invalid
 * one is a fault and gets its default, so that faults of the config can be found too.
 */
export function readEnvironment(
  schema: TSchema,
  env: NodeJS.ProcessEnv
): { values: object; faults: ConfigFault[] } {
  const names = Object.keys((schema as unknown as { properties: object }).properties)
  const given: Record<string, unknown> = {}
  const unread: ConfigFault[] = []
  const origins: Record<string, string> = {}
  for (const name of names) {
    const hasOwnFile = names.includes(`${name}_FILE`)
    const { value, file, fault } = readVariable(name, hasOwnFile ? { [name]: env[name] } : env)
    if (value !== undefined) given[name] = value
    if (fault !== undefined) unread.push({ path: `${name}_FILE`, message: fault })
    origins[name] = file === undefined ? '' : ` (read from ${name}_FILE)`
  }
  const converted = Value.Convert(schema, given) as Record<string, unknown>
  const invalid = faultsOf(schema, Value.Default(schema, structuredClone(converted))).map(
    ({ path, message }) => ({ path: path.slice(1), message })
  )
  for (const { path } of invalid) delete converted[path]
  return {
    values: Value.Default(schema, converted) as object,
    faults: [
      ...unread,
      ...invalid
        .filter(({ path }) => !unread.some(fault => fault.path === `${path}_FILE`))
        .map(({ path, message }) => ({ path, message: message + (origins[path] ?? '') }))
    ]
  }
}
