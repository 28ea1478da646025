import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { startDemo } from '../demo/start-demo.ts'

/** Requests made up by schemathesis must not find a response of the demo that the document does not describe. */

const SCHEMATHESIS = join(import.meta.dirname, '.venv/bin/schemathesis')

const CONFIG = join(import.meta.dirname, 'schemathesis.toml')

t.test('the demo sends no response that its document does not describe', async t => {
  const demo = await startDemo(t)
  const printed = await demo.printed(/^ADMIN=.*\n\n$/m)
  const [, free] = /^FREE=(.+)$/m.exec(printed) ?? []
  const [, premium] = /^PREMIUM=(.+)$/m.exec(printed) ?? []

  const report = await run(`${demo.admin}/openapi.json`, premium, '--phases=coverage,fuzzing,stateful')
  t.match(report, /Tested: +10\b/)
  t.notMatch(report, /Failures:|Errors:/, report)

  const limited = await run(`${demo.admin}/openapi/v1.json`, free, '--phases=coverage,fuzzing')
  t.notMatch(limited, /Failures:|Errors:/, limited)
  const refused = await fetch(`${demo.gateway}/api/v1/orders/1`, {
    headers: { authorization: `Bearer ${free}` }
  })
  t.equal(refused.status, 429, 'the second run has reached the limit')

  /** Returns the end of the report, also of a run with findings. */
  async function run(document: string, token: string | undefined, phases: string): Promise<string> {
    const options = [`--url=${demo.gateway}`, '-H', `Authorization: Bearer ${token}`, phases, '--seed=1']
    const args = ['--config-file', CONFIG, 'run', document, ...options, '--generation-database=none']
    const { stdout } = await promisify(execFile)(SCHEMATHESIS, args, {
      cwd: demo.tmp,
      // Without animations.
      env: { ...process.env, TERM: 'dumb' }
    }).catch((error: { stdout?: string }) => {
      if (!error.stdout) throw error
      return { stdout: error.stdout }
    })
    return stdout.slice(Math.max(0, stdout.search(/^=+ (FAILURES|SUMMARY|ERRORS)/m)))
  }
})
