import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createLogger } from '../../observe/logger.ts'
import { until } from '../until.ts'

const log = join(import.meta.dirname, '../../observe/logger.ts')
/** Epoch milliseconds; later entries fall into the next second. */
const TIME = 1_795_531_247_800

t.test('a full disk costs entries, not the process', async t => {
  const program = `
    import { createLogger } from ${JSON.stringify(log)}
    import { setTimeout as sleep } from 'node:timers/promises'
    const logger = createLogger({ level: 'info', destination: '/dev/full' })
    for (let i = 0; i < 20; i++) {
      logger.infoLater(Date.now(), () => '"msg":"lost"')
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

t.test('entries of any length arrive whole and in order, whatever the size of a write', async t => {
  for (const maxWrite of [undefined, 4_096]) {
    const file = join(t.testdir(), String(maxWrite))
    const logger = createLogger({ level: 'info', destination: file, maxWrite })
    const sent = Array.from({ length: 400 }, (_, i) => `${i}${'xé€😀'.repeat((i * i) % 1_000)}`)
    // Longer than the writer's buffer.
    sent.splice(200, 0, 'é'.repeat(100_000))
    for (const [i, text] of sent.entries())
      if (i % 7 === 0) logger?.info({ text })
      else logger?.infoLater(TIME + i, () => `"text":"${text}"`)
    let written: string[] = []
    await until(async () => {
      written = (await readFile(file, 'utf8')).split('\n')
      return written.length > sent.length
    })
    const entries = written.slice(0, -1).map(line => JSON.parse(line))
    t.same(
      entries.map(({ text }) => text),
      sent
    )
    t.same(
      entries.map(({ time }, i) => (i % 7 === 0 ? TIME + i : time)),
      sent.map((_, i) => TIME + i)
    )
    t.equal(logger?.dropped(), 0)
  }
})

t.test('deferred entries have level info, and obey the level at the time they are written', async t => {
  const file = join(t.testdir(), 'log')
  const logger = createLogger({ level: 'warn', destination: file })
  if (logger === undefined) throw new Error('no logger')
  const write = async (text: string) => {
    logger.infoLater(TIME, () => `"msg":"${text}"`)
    logger.warn(text)
    await until(async () => (await readFile(file, 'utf8').catch(() => '')).includes(`"${text}"`))
  }
  await write('quiet')
  logger.level = 'info'
  await write('loud')
  const entries = (await readFile(file, 'utf8')).trimEnd().split('\n')
  t.match(
    entries.map(line => JSON.parse(line)),
    [
      { level: 'warn', msg: 'quiet' },
      { level: 'info', msg: 'loud' },
      { level: 'warn', msg: 'loud' }
    ]
  )
  t.equal(entries.length, 3)
})

t.test('an entry written synchronously does not count as waiting', async t => {
  const logger = createLogger({ level: 'info', destination: join(t.testdir(), 'log') })
  // More than the backlog holds.
  for (let i = 0; i < 100; i++) logger?.fatal('x'.repeat(60_000))
  t.equal(logger?.dropped(), 0)
})

t.test('one timer retries a full pipe', async t => {
  const pipe = join(t.testdir(), 'pipe')
  execFileSync('mkfifo', [pipe])
  // Open at both ends: the pipe has a reader that does not read.
  const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
  const logger = createLogger({ level: 'info', destination: fd })
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
