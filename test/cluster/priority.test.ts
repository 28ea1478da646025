import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const program = `
  import { spawn } from 'node:child_process'
  import { getPriority } from 'node:os'
  import { lowerPriority } from './cluster/priority.ts'
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 10_000)'])
  const own = getPriority()
  const lowered = lowerPriority(child.pid)
  const during = getPriority(child.pid)
  lowered?.restore()
  console.log(JSON.stringify({ own, isLowered: lowered !== undefined, during, after: getPriority(child.pid) }))
  child.kill()`

for (const more of [0, 5, 19])
  t.test(
    `next to processes of priority ${more} a starting worker yields until it is ready, or nothing changes`,
    async t => {
      const { stdout } = await promisify(execFile)(
        'nice',
        ['-n', `${more}`, process.execPath, '--input-type=module', '-e', program],
        { cwd: root, env: { PATH: process.env.PATH } }
      )
      const { own, isLowered, ...seen } = JSON.parse(stdout)
      // Where the system would not let us take it back, it stays as it was.
      t.same(seen, { during: isLowered ? 19 : own, after: own })
    }
  )
