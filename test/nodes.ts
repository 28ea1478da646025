import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { call, closedPort } from './harness.ts'
import { installApp, installNode, pack } from './package/installed.ts'
import { until } from './until.ts'

/**
 * `npm run test:nodes`: runs the packed package, installed in an empty folder, on each supported version of Node except the
 * pinned one, on which test/package runs it. An unsupported version must refuse with one line. Takes a minute.
 */
const SUPPORTED = ['22.19.0', '22', '24.4.0', '24', '26.0.0']
const UNSUPPORTED = ['20']
/** Milliseconds. */
const LIMIT = 600_000
const READY = 60_000

const directory = mkdtempSync(join(tmpdir(), 'sluice-nodes-'))
let running: ChildProcess | undefined

setTimeout(() => {
  console.error(`not done within ${LIMIT / 1_000} s`)
  process.exit(1)
}, LIMIT).unref()
process.once('exit', () => {
  running?.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

const { tarball } = await pack(directory)
const app = await installApp(join(directory, 'app'), [tarball])
for (const version of SUPPORTED) await runs(version)
for (const version of UNSUPPORTED) await refuses(version)

async function runs(version: string): Promise<void> {
  const node = await installNode(join(directory, version), version)
  const test = await app.run('node', ['--test', '--test-reporter=tap', 'test/*.ts'], { node })
  assert.match(test, /^# fail 0$/m)
  assert.match(await app.run('npx', ['sluice', 'check'], { node }), /^0 errors/m)
  assert.match(await app.run('npx', ['sluice', 'routes'], { node }), /\/api\/orders\/:id/)
  assert.match(await app.run('npx', ['sluice', 'explain', 'GET', '/api/status/1'], { node }), /\/orders\/1/)
  await starts(node)
  console.log(`Node ${version}: tests, checks, starts, answers, reloads, stops`)
}

async function starts(node: string): Promise<void> {
  const [port, adminPort] = [new URL(await closedPort()).port, new URL(await closedPort()).port]
  const [url, admin] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${adminPort}`]
  const env = { PORT: port, ADMIN_PORT: adminPort, WORKERS: '1' }
  const child = app.start('node', ['node_modules/.bin/sluice', 'start'], { node, env })
  running = child
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', chunk => {
      output += chunk
    })
  try {
    await until(async () => {
      assert.equal(child.exitCode, null, 'it has ended')
      return (await call(`${admin}/readyz`).catch(() => undefined))?.status === 200
    }, READY)
    assert.equal((await call(`${url}/api/orders/1`)).status, 401)
    assert.equal((await call(`${admin}/reload`, { method: 'POST' })).json.outcome, 'done')
    assert.equal((await call(`${url}/api/orders/1`)).status, 401)
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [0, null])
    assert.doesNotMatch(output, /warning/i)
  } catch (error) {
    throw new Error(`${node}: ${(error as Error).message}\n${output}`, { cause: error })
  }
}

async function refuses(version: string): Promise<void> {
  const node = await installNode(join(directory, version), version)
  const { message } = await app.run('npx', ['sluice', 'start'], { node }).then(assert.fail, error => error)
  assert.match(message, /^sluice needs Node 22 \(22\.19 or later\), .*; this is v\d+\.\d+\.\d+$/m)
  assert.doesNotMatch(message, /^ +at /m)
  console.log(`Node ${version}: refuses to start`)
}
