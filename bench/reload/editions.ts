import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The config file of a gateway under test, written anew again and again: right, or wrong in one way or another. */
export interface Editions {
  file: string
  /** Returns what the gateway must say is wrong; undefined if it is right. */
  write(edition: number): RegExp | undefined
  end(): void
}

const FAULTS: [string, RegExp][] = [
  ['export default {', /cannot be loaded/],
  ["export default { listen: { port: 'none' } }", /\/listen\/port must be integer/],
  [
    "const { scopes: { api }, ...rest } = describe(0)\nexport default { ...rest, scopes: { api: { ...api, routes: async () => { throw new Error('a plugin that throws') } } } }",
    /a plugin that throws/
  ],
  ['process.exit(3)', /it ended with 3/]
]

/** `share`: every how many editions is wrong. */
export function createEditions(share: number): Editions {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const directory = mkdtempSync(join(root, '.bench-'))
  const file = join(directory, 'gateway.config.ts')
  const head = "import { describe } from '../bench/reload/gateway.ts'\n"

  return {
    file,
    write(edition) {
      const [text, reason] =
        edition % share === 0
          ? (FAULTS[(edition / share - 1) % FAULTS.length] as (typeof FAULTS)[number])
          : []
      writeFileSync(file, `${head}${text ?? `export default describe(${edition})`}\n`)
      return reason
    },
    end: () => rmSync(directory, { recursive: true })
  }
}
