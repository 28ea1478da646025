import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'

/** The workflows of GitHub run pinned actions only, and each job has only the rights that it names. */

const folder = join(import.meta.dirname, '../../.github/workflows')

interface Workflow {
  permissions: object
  jobs: Record<string, { permissions?: object; 'timeout-minutes'?: number; steps: Step[] }>
}

interface Step {
  uses?: string
  run?: string
  with?: Record<string, unknown>
}

for (const file of readdirSync(folder))
  t.test(file, async t => {
    const { permissions, jobs } = parse(readFileSync(join(folder, file), 'utf8')) as Workflow
    t.strictSame(permissions, {})
    for (const [name, job] of Object.entries(jobs)) {
      t.ok(job.permissions, `${name} names its permissions`)
      t.ok(job['timeout-minutes'], `${name} has a timeout`)
      for (const { uses, run = '', with: options } of job.steps) {
        t.notMatch(run, /\$\{\{/, 'expressions reach shells as variables')
        if (uses === undefined) continue
        t.match(uses, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/, 'a tag can be moved')
        if (uses.startsWith('actions/checkout@')) t.equal(options?.['persist-credentials'], false)
      }
    }
  })
