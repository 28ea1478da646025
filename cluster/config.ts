import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ConfigError, resolveConfig } from '../gateway.ts'
import type { ConfigModule, GatewayConfig } from '../schemas/gateway.ts'

/** The config that `file` describes in this environment. @throws what `explain` puts into words. */
export async function loadConfig(file: string, env: NodeJS.ProcessEnv): Promise<GatewayConfig> {
  const url = pathToFileURL(resolve(file)).href
  let module: ConfigModule
  try {
    module = await import(url)
  } catch (error) {
    const { code, message, stack = '' } = error as NodeJS.ErrnoException
    if (code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${resolve(file)}'`))
      throw new Error(`${file} cannot be read: there is no such file`)
    const [where] = stack.match(/file:\/\/[^\s)]+:\d+/) ?? []
    throw new Error(
      `${file} cannot be loaded: ${message.split('\n', 1)[0]}${where ? ` (${fileURLToPath(where)})` : ''}`
    )
  }
  if (module.default === undefined) throw new Error(`${file} has no default export`)
  return resolveConfig(module, env)
}

export function explain(error: Error): string {
  if (!(error instanceof ConfigError)) return error.message
  const { faults, message } = error
  return `The configuration has ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}:\n${message}`
}
