import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Settings } from 'typebox/system'
import { Value } from 'typebox/value'
import { ConfigError, type ConfigFault } from './config-error.ts'
import { didYouMean } from './did-you-mean.ts'
import { knownMembers } from './known-members.ts'

export { ConfigError, type ConfigFault }

/** Returns every fault of `value`, one for each path. The messages say what to change. */
export function faultsOf(schema: TSchema, value: unknown): ConfigFault[] {
  const { maxErrors } = Settings.Get()
  Settings.Set({ maxErrors: 1_000 })
  const errors = Compile(schema).Errors(value)
  Settings.Set({ maxErrors })
  const faults = errors.flatMap(({ instancePath, keyword, params, message }): ConfigFault[] => {
    if (keyword === 'additionalProperties') return []
    if (keyword === 'boolean') {
      const [, parent = '', name = ''] = /^(.*)\/(.*)$/s.exec(instancePath) ?? []
      const known = knownMembers(schema, parent)
      return [{ path: instancePath, message: `is not known${didYouMean(name, known)}` }]
    }
    if (keyword === 'required')
      return (params as { requiredProperties: string[] }).requiredProperties.map(name => ({
        path: `${instancePath}/${name}`,
        message: 'is missing'
      }))
    if (keyword === 'enum') {
      const known = (params as { allowedValues: unknown[] }).allowedValues.map(String)
      const suggestion = didYouMean(Value.Pointer.Get(value, instancePath), known)
      return [{ path: instancePath, message: `must be one of ${known.join(', ')}${suggestion}` }]
    }
    if (keyword === 'anyOf') {
      const variants = errors.filter(error => error.keyword !== 'anyOf')
      return [{ path: instancePath, message: variantsInWords(instancePath, variants) || message }]
    }
    return [{ path: instancePath, message }]
  })
  return [...new Map(faults.map(fault => [fault.path, fault])).values()]
}

/** Returns the messages of a union's variants, which fail at the same place as the union. */
function variantsInWords(path: string, errors: readonly { instancePath: string; message: string }[]): string {
  const own = errors.filter(({ instancePath }) => instancePath === path).map(({ message }) => message)
  return [...new Set(own)].join(', or ')
}

/** Returns a deep copy to fill defaults into. Drops undefined members and shares functions. */
export function copyOptions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOptions)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => [name, copyOptions(member)])
  )
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
