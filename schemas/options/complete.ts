import createError from '@fastify/error'
import Type, { type Static, type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { ConfigError, type ConfigFault, copyOptions, faultsOf, isObject } from './faults.ts'

const InvalidOptions = createError('SLUICE_INVALID_OPTIONS', '%s', 500)

/** Options of `register` itself. They are options of the plugin too if its schema has them. */
const FASTIFYS_OWN = ['prefix', 'logLevel', 'logSerializers']

/**
 * Returns the options of a plugin with defaults filled in.
 * @param plugin as a user imports it, for the message
 * @param moreFaults finds faults that the schema cannot express
 * @throws SLUICE_INVALID_OPTIONS with every fault
 */
export function completeOptions<Schema extends TSchema>(
  schema: Schema,
  options: unknown,
  plugin: string,
  moreFaults: (options: Record<string, unknown>) => ConfigFault[] = () => []
): Static<Schema> {
  const { properties = {} } = schema as { properties?: object }
  const isOwn = (name: string) => !FASTIFYS_OWN.includes(name) || Object.hasOwn(properties, name)
  const own = isObject(options)
    ? Object.fromEntries(Object.entries(options).filter(([name]) => isOwn(name)))
    : options
  const completed = Value.Default(schema, copyOptions(own))
  const faults = faultsOf(schema, completed)
  if (isObject(completed)) faults.push(...moreFaults(completed))
  if (faults.length > 0)
    throw new InvalidOptions(
      `${plugin}: ${faults.map(({ path, message }) => `${path || 'options'} ${message}`).join('; ')}`
    )
  return completed as Static<Schema>
}

const NoOptions = Type.Object({}, { additionalProperties: false })

/**
 * Checks that a plugin without options gets none: those of its routes are often passed to `register` by mistake.
 * @throws SLUICE_INVALID_OPTIONS with every option
 */
export function rejectOptions(options: unknown, plugin: string): void {
  completeOptions(NoOptions, options, plugin)
}

/**
 * Checks the options of a route. It is not copied, because TypeBox schemas have hidden members.
 * @param name method and URL of the route, for the message
 * @throws ConfigError with every fault
 */
export function checkRoute(schema: TSchema, route: object, name: string): void {
  const faults = faultsOf(schema, route)
  if (faults.length > 0)
    throw new ConfigError(faults.map(({ path, message }) => ({ path: `${name} ${path}`, message })))
}
