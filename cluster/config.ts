import { relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type ConfigModule, resolveConfig } from '../config/resolve-config.ts'
import { ConfigError } from '../schemas/options/config-error.ts'
import type { GatewayConfig } from '../schemas/options/gateway.ts'

/** Milliseconds: what takes longer waits for something that does not come. */
const LOAD_TIMEOUT = 10_000

/**
 * The config that a file exports, resolved.
 * @throws ConfigError with every fault; or an error whose message says in one line why the file cannot be loaded.
 */
export async function loadConfig(
  file: string,
  env: NodeJS.ProcessEnv,
  timeout = LOAD_TIMEOUT
): Promise<GatewayConfig> {
  const module = await within(timeout, load(file), `${file} is not loaded within ${timeout / 1000} s`)
  if (module.default === undefined) throw new Error(`${file} has no default export`)
  try {
    return resolveConfig(module, env)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new Error(`${file} fails: ${firstLine(error)}${placeOf(error)}`)
  }
}

async function load(file: string): Promise<ConfigModule> {
  try {
    return await import(pathToFileURL(resolve(file)).href)
  } catch (error) {
    const { code, message = '' } = (error ?? {}) as NodeJS.ErrnoException
    if (code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${resolve(file)}'`))
      throw new Error(`${file} cannot be read: there is no such file`)
    if (code === 'ERR_UNSUPPORTED_DIR_IMPORT') throw new Error(`${file} cannot be read: it is a directory`)
    // As `npm init` writes package.json.
    if (error instanceof SyntaxError && /outside a module$|^Unexpected token 'export'$/.test(message))
      throw new Error(`${file} cannot be loaded as CommonJS: set "type": "module" in its package.json`)
    throw new Error(`${file} cannot be loaded: ${firstLine(error)}${placeOf(error)}`)
  }
}

/** The timer also keeps the process alive, which would end without a word while nothing else is due. */
async function within<Value>(ms: number, promise: Promise<Value>, message: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n', 1)[0] as string
}

function placeOf(error: unknown): string {
  const [where] = (error instanceof Error ? (error.stack ?? '') : '').match(/file:\/\/[^\s)]+:\d+/) ?? []
  return where === undefined ? '' : ` (${relative('', fileURLToPath(where))})`
}
