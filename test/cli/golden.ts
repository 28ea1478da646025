import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { run } from '../../cli/sluice.ts'

/** What was printed is what the file has, to the character. `UPDATE_GOLDEN=1` writes the file instead, to be reviewed. */
export function golden(t: Test, name: string, actual: string): void {
  const file = join(import.meta.dirname, 'golden', name)
  if (process.env.UPDATE_GOLDEN) {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, actual)
  }
  t.equal(actual, readFileSync(file, 'utf8'), name)
}

export interface Outcome {
  code: number | undefined
  out: string
  err: string
}

/** A command line, run in this process. */
export async function sluice(
  args: string[],
  env: NodeJS.ProcessEnv = {},
  signal?: AbortSignal
): Promise<Outcome> {
  let out = ''
  let err = ''
  const code = await run(args, {
    print: (...lines) => {
      out += `${lines.join('\n')}\n`
    },
    complain: line => {
      err += `${line}\n`
    },
    env,
    signal: signal ?? new AbortController().signal
  })
  return { code, out, err }
}
