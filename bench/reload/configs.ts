import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The config file of the gateway under test, rewritten for each version: valid, or faulty in turns. */
export interface ConfigFile {
  path: string
  /** Writes a version. Returns the error that the gateway must report, or undefined for a valid config. */
  write(version: number): RegExp | undefined
  remove(): void
}

const FAULTS: [text: string, error: RegExp][] = [
  ['export default {', /cannot be loaded/],
  ["export default { listen: { port: 'none' } }", /\/listen\/port must be integer/],
  [
    "const { scopes: { api }, ...rest } = createConfig(0)\nexport default { ...rest, scopes: { api: { ...api, routes: async () => { throw new Error('a plugin that throws') } } } }",
    /a plugin that throws/
  ],
  ['process.exit(3)', /exit code 3/]
]

/** Every `faultyEvery`th version is faulty. */
export function createConfigFile(faultyEvery: number): ConfigFile {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const directory = mkdtempSync(join(root, '.bench-'))
  const path = join(directory, 'gateway.config.ts')
  const imports = "import { createConfig } from '../bench/reload/gateway.ts'\n"

  return {
    path,
    write(version) {
      const isFaulty = version % faultyEvery === 0
      const [text, error] = isFaulty
        ? (FAULTS[(version / faultyEvery - 1) % FAULTS.length] as (typeof FAULTS)[number])
        : [`export default createConfig(${version})`]
      writeFileSync(path, `${imports}${text}\n`)
      return error
    },
    remove: () => rmSync(directory, { recursive: true })
  }
}
