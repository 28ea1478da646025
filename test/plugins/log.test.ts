import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'

const log = join(import.meta.dirname, '../../plugins/log.ts')

t.test('a destination that takes nothing any more costs lines, not the process', async t => {
  const program = `
    import { createLogger } from ${JSON.stringify(log)}
    import { setTimeout as sleep } from 'node:timers/promises'
    const logger = createLogger('info', '/dev/full')
    for (let i = 0; i < 20; i++) {
      logger.line('"msg":"lost"')
      await sleep(20)
    }
    logger.fatal('flushed at once')
    console.log('still here')
    process.exit(3)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const end = once(child, 'exit')
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    printed += text
  })
  t.same(await end, [3, null])
  t.equal(printed, 'still here\n')
})
