import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CAUSES } from '../../../http/cause.ts'

t.test('a failure is staged for every cause', t => {
  const tests = globSync('causes-of-*.test.ts', { cwd: import.meta.dirname })
    .map(file => readFileSync(join(import.meta.dirname, file), 'utf8'))
    .join('\n')
  const staged = new Set([...tests.matchAll(/cause: '([a-z-]+)'/g)].map(([, cause]) => cause))
  t.same(
    CAUSES.filter(cause => !staged.has(cause)),
    []
  )
  t.end()
})
