import Type, { type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { ConfigError, copyOptions, faultsOf, isObject } from '../schemas/options/faults.ts'
import { type GatewayConfig, GatewayOptions } from '../schemas/options/gateway.ts'
import { configFaults } from './config-faults.ts'
import { readEnvironment } from './environment.ts'

/** A config file: a definition, or a function that returns one for environment variables. */
export interface ConfigModule<Environment extends TSchema = TSchema> {
  /** Schema of the variables that the function gets. */
  environment?: Environment
  default: unknown
}

/**
 * Returns the config with defaults filled in.
 * @throws ConfigError with every fault of the environment and of the config
 */
export function resolveConfig(module: ConfigModule, env: NodeJS.ProcessEnv): GatewayConfig {
  const { values, faults } = readEnvironment(module.environment ?? Type.Object({}), env)
  const definition = typeof module.default === 'function' ? module.default(values) : module.default
  if (definition instanceof Promise) {
    // A promise has no members of its own, and would be taken for an empty config.
    definition.catch(() => {})
    throw new ConfigError([...faults, { path: '', message: 'is a promise: the function must not be async' }])
  }
  const config = Value.Default(GatewayOptions, copyOptions(definition))
  faults.push(...faultsOf(GatewayOptions, config))
  if (isObject(config)) faults.push(...configFaults(config))
  if (faults.length > 0) throw new ConfigError(faults)
  return config as GatewayConfig
}
