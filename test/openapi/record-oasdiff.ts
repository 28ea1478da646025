import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { allPairs } from './pairs.ts'

/**
 * Writes test/openapi/oasdiff.json: what oasdiff says about each pair of pairs.ts.
 *
 *     GOBIN=/tmp go install github.com/oasdiff/oasdiff@v1.38.0
 *     node test/openapi/record-oasdiff.ts /tmp/oasdiff v1.38.0
 */

const LEVELS = ['', 'compatible', 'warning', 'breaking']
const [program = 'oasdiff', version = 'unknown'] = process.argv.slice(2)
const run = promisify(execFile)
const folder = await mkdtemp(join(tmpdir(), 'oasdiff-'))
const pairs: Record<string, string> = {}

for (const { name, old, now } of allPairs()) {
  const files = [join(folder, 'old.json'), join(folder, 'new.json')] as const
  await writeFile(files[0], JSON.stringify(old))
  await writeFile(files[1], JSON.stringify(now))
  const { stdout } = await run(program, ['changelog', ...files, '--format', 'json']).catch(error => error)
  const changes = JSON.parse(stdout || 'null') as { id: string; level: number }[] | null
  const level = Math.max(1, ...(changes ?? []).map(change => change.level))
  pairs[name] = [LEVELS[level], ...new Set((changes ?? []).map(({ id }) => id))].join(' ')
}
await rm(folder, { recursive: true })
const { stdout } = await run(program, ['checks', 'changelog', '--format', 'json'])
const checks = (JSON.parse(stdout) as { id: string }[]).map(({ id }) => id)
await writeFile(
  join(import.meta.dirname, 'oasdiff.json'),
  `${JSON.stringify({ version, pairs, checks: checks.join(' ') }, null, 2)}\n`
)
