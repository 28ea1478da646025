import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { run } from '../../cli/sluice.ts'

/** Compares output with a golden file. `UPDATE_GOLDEN=1` writes the file instead; review the diff. */
export function golden(t: Test, name: string, actual: string): void {
  const file = join(import.meta.dirname, 'golden', name)
  if (process.env.UPDATE_GOLDEN) {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, actual)
  }
  t.equal(actual, readFileSync(file, 'utf8'), name)
}

export interface CommandResult {
  code: number | undefined
  out: string
  err: string
}

/** Runs a command line in this process. */
export async function sluice(
  args: string[],
  env: NodeJS.ProcessEnv = {},
  signal?: AbortSignal
): Promise<CommandResult> {
  let out = ''
  let err = ''
  const code = await run(args, {
    print: (...lines) => {
      out += `${lines.join('\n')}\n`
    },
    printError: line => {
      err += `${line}\n`
    },
    env,
    signal: signal ?? new AbortController().signal
  })
  return { code, out, err }
}
