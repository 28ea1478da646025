import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createLogger } from '../../observe/logger.ts'
import { until } from '../until.ts'

const log = join(import.meta.dirname, '../../observe/logger.ts')
/** Epoch milliseconds, so that those that follow are of two seconds. */
const TIME = 1_795_531_247_800

t.test('a destination that takes nothing any more costs lines, not the process', async t => {
  const program = `
    import { createLogger } from ${JSON.stringify(log)}
    import { setTimeout as sleep } from 'node:timers/promises'
    const logger = createLogger('info', '/dev/full')
    for (let i = 0; i < 20; i++) {
      logger.line({ time: Date.now() }, (_, line) => line.text('"msg":"lost"'))
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

t.test('lines of any length arrive whole and in order, whatever is written at once', async t => {
  for (const atOnce of [undefined, 4_096]) {
    const file = join(t.testdir(), String(atOnce))
    const logger = createLogger('info', file, undefined, atOnce)
    const sent = Array.from({ length: 400 }, (_, i) => `${i}${'xé€😀'.repeat((i * i) % 1_000)}`)
    // Longer than a page.
    sent.splice(200, 0, 'é'.repeat(100_000))
    for (const [i, text] of sent.entries())
      if (i % 7 === 0) logger?.info({ text })
      else logger?.line?.({ time: TIME + i }, (_, line) => line.text(`"text":"${text}"`))
    let written: string[] = []
    await until(async () => {
      written = (await readFile(file, 'utf8')).split('\n')
      return written.length > sent.length
    })
    const lines = written.slice(0, -1).map(line => JSON.parse(line))
    t.same(
      lines.map(({ text }) => text),
      sent
    )
    t.same(
      lines.map(({ time }, i) => (i % 7 === 0 ? TIME + i : time)),
      sent.map((_, i) => TIME + i)
    )
    t.equal(logger?.lost?.(), 0)
  }
})

t.test('lines are at level info, by the level of the moment', async t => {
  const file = join(t.testdir(), 'log')
  const logger = createLogger('warn', file)
  if (logger === undefined) throw new Error('no logger')
  const write = async (text: string) => {
    logger.line?.({ time: TIME }, (_, line) => line.text(`"msg":"${text}"`))
    logger.warn(text)
    await until(async () => (await readFile(file, 'utf8').catch(() => '')).includes(`"${text}"`))
  }
  await write('quiet')
  logger.level = 'info'
  await write('loud')
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  t.match(
    lines.map(line => JSON.parse(line)),
    [
      { level: 40, msg: 'quiet' },
      { level: 30, msg: 'loud' },
      { level: 40, msg: 'loud' }
    ]
  )
  t.equal(lines.length, 3)
})

t.test('what is written at once does not wait, and so is not counted as waiting', async t => {
  const logger = createLogger('info', join(t.testdir(), 'log'))
  // More than may wait.
  for (let i = 0; i < 100; i++) logger?.fatal('x'.repeat(60_000))
  t.equal(logger?.lost?.(), 0)
})

t.test('a pipe that is full is tried again, by one timer', async t => {
  const pipe = join(t.testdir(), 'pipe')
  execFileSync('mkfifo', [pipe])
  // Open at both ends, so that there is a reader, who does not read.
  const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
  const logger = createLogger('info', fd)
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  for (let i = 0; i < 30; i++) {
    logger?.info('x'.repeat(130_000))
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  const during = timers()
  closeSync(fd)
  t.ok(during - before <= 3, `${before} before, ${during} while it is full`)
})
