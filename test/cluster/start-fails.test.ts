import { once } from 'node:events'
import { linkSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pino from 'pino'
import t from 'tap'
import { createPool } from '../../cluster/worker-pool.ts'
import { startWorker, type WorkerProcess } from '../../cluster/worker-process.ts'
import { call } from '../harness.ts'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'

/** Workers that do not get as far as to serve, and what else must not stop a gateway. */

const root = join(import.meta.dirname, '../..')

t.test('a worker whose program is missing is retried until it exists', async t => {
  const directory = mkdtempSync(join(root, '.test-node-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const execPath = join(directory, 'node')
  linkSync(process.execPath, execPath)
  const { url, status } = await startServer(t, { config: configOf(1), workers: 1, execPath })
  const [before] = (await status()).workers
  unlinkSync(execPath)
  process.kill(before?.pid as number, 'SIGKILL')
  await until(async () => (await status()).crashes.last?.reason.includes('ENOENT'))
  t.equal((await status()).state, 'starting')
  linkSync(process.execPath, execPath)
  await until(async () => (await status()).state === 'ready')
  t.equal((await call(`${url}/api/edition`)).json.edition, '1')
})

for (const way of ['ends before it serves', 'cannot be started in its place']) {
  t.test(`a worker that ${way} is replaced`, async t => {
    const directory = mkdtempSync(join(root, '.test-'))
    t.teardown(() => rmSync(directory, { recursive: true }))
    const file = join(directory, 'gateway.config.ts')
    writeFileSync(file, 'export default { log: { level: "silent" } }')
    const started: WorkerProcess[] = []
    let failing = 0
    const pool = createPool({
      size: 1,
      backoff: { base: 10, max: 100 },
      stableAfter: 10_000,
      joinFor: 0,
      start(generation, onFailing) {
        const worker = startWorker({
          id: started.length + 1,
          generation,
          // Longer than a path may be in the system: nothing is started.
          file: failing-- > 0 ? 'x'.repeat(3_000_000) : file,
          directory,
          execArgv: [],
          env: {},
          startTimeout: 30_000,
          workers: 1,
          isYielding: false,
          warmUp: 0,
          onAck() {},
          onNack() {},
          onMessage: () => false,
          onFailing
        })
        started.push(worker)
        return worker
      },
      onChange() {},
      log: () => pino({ level: 'silent' })
    })
    t.teardown(() => pool.kill())
    await pool.replace(async () => {
      if (way === 'ends before it serves') await endOf(started[0] as WorkerProcess)
    }, true)
    if (way !== 'ends before it serves') {
      failing = 2
      await endOf(started[0] as WorkerProcess)
    }
    await until(() => pool.workers().some(({ state }) => state === 'ready'))
    t.equal(pool.crashes().count, way === 'ends before it serves' ? 1 : 3)
    t.ok(pool.workers().every(({ hasEnded }) => !hasEnded))
  })
}

t.test('a gateway whose standard output is blocked serves and stops normally', async t => {
  const { child, url } = await startServer(t, {
    config: configOf(1).replace('sample: 0', 'sample: 1'),
    workers: 1,
    before: 'exec >/dev/full;'
  })
  for (let i = 0; i < 200; i++) t.equal((await call(`${url}/api/edition`)).status, 200)
  child.kill('SIGTERM')
  t.same(await once(child, 'exit'), [0, null])
})

async function endOf(worker: WorkerProcess): Promise<void> {
  process.kill(worker.pid, 'SIGKILL')
  await worker.ended
}

t.test('a gateway that cannot write temporary files names the way out', async t => {
  const missing = '/nowhere/at/all'
  const message = `no directory can be created in ${missing} for the sockets of workers (ENOENT); set TMPDIR`
  await t.rejects(startServer(t, { config: configOf(1), env: { TMPDIR: missing } }), {
    message: new RegExp(RegExp.escape(message))
  })
})
