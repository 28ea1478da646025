import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { call } from '../harness.ts'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'

/** Code of workers after files have changed without a reload. */

const DRAIN = 'drain: { timeout: 1_000, idle: 200 },'
/** A config that imports its edition from another file. */
const CONFIG = `import { edition } from './edition.ts'
${configOf('', DRAIN, "app.get('/imported', async () => ({ edition }))")}`
const CLOSE = { headers: { connection: 'close' } }
const editionOf = (number: number) => `export const edition = ${number}`

t.test('a restarted worker runs the same code as the others, or waits', async t => {
  const { url, file, status, write, output, reload } = await startServer(t, { config: configOf(0, DRAIN) })
  const writePart = (number: number) => writeFileSync(join(dirname(file), 'edition.ts'), editionOf(number))
  const askForEdition = async () => (await call(`${url}/api/imported`, CLOSE)).json.edition
  const kill = async (count: number) => {
    for (const { pid } of (await status()).workers.slice(0, count)) process.kill(pid, 'SIGKILL')
  }
  const areReady = async () => (await status()).workers.filter(({ state }) => state === 'ready').length === 2
  writePart(1)
  write(CONFIG)
  t.match(await reload(), { outcome: 'done' })
  await until(async () => (await status()).workers.length === 2)

  writePart(2)
  await kill(1)
  await until(async () => (await status()).crashes.last?.reason.includes('edition.ts'))
  t.match(
    (await status()).crashes.last?.reason,
    /^\.test-\w+\/edition\.ts was changed since the other workers started; reload the gateway$/
  )
  await until(() => output().includes('reload the gateway'))
  t.equal((await status()).state, 'ready')
  for (let i = 0; i < 10; i++) t.equal(await askForEdition(), 1)

  writePart(1)
  await until(areReady)
  t.equal(await askForEdition(), 1, 'as it was, it is taken')

  writePart(3)
  await kill(2)
  await until(areReady)
  t.equal(await askForEdition(), 3, 'what nobody else serves is better than nothing')
})

t.test('a reload fails if its workers load different code', async t => {
  const { url, file, write, reload } = await startServer(t, { config: configOf(1, DRAIN) })
  const path = join(dirname(file), 'edition.ts')
  writeFileSync(path, editionOf(2))
  // Each that starts leaves another for the next.
  write(`import { writeFileSync } from 'node:fs'
writeFileSync(${JSON.stringify(path)}, 'export const edition = ' + process.pid)
${CONFIG}`)
  const { outcome, reason } = await reload()
  t.equal(outcome, 'failed')
  t.match(reason, /edition\.ts was changed while the workers started$/)
  t.equal((await call(`${url}/api/edition`)).json.edition, '1')
})
