import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { warmUp } from '../../cluster/warm-up.ts'

t.test('the exchanges of a warm-up succeed, with a token and a limit', async t => {
  // Paths of Unix sockets are limited to about 100 bytes.
  const directory = mkdtempSync(join(tmpdir(), 'sluice-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const succeeded = await warmUp(join(directory, 'w'), 5_000)
  t.ok(succeeded >= 2 && succeeded % 2 === 0, `${succeeded} exchanges`)
})
