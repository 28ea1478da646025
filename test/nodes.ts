import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { call, closedPort } from './harness.ts'
import { until } from './until.ts'

/**
 * `npm run test:nodes`: a production install starts, answers a request, reloads and stops on each version of Node that
 * is supported beside the pinned one, on which the tests run; and that an unsupported version is refused with one line.
 * Takes a minute, and fails after ten. Installs Nodes by npm, into a directory of its own.
 */
const SUPPORTED = ['22.19.0', '22', '24.4.0', '24', '26.0.0']
const UNSUPPORTED = ['20']
/** Milliseconds. */
const LIMIT = 600_000
const STEP = 120_000

const root = fileURLToPath(new URL('..', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'sluice-nodes-'))
const app = join(directory, 'app')
let running: ChildProcess | undefined

setTimeout(() => {
  console.error(`not done within ${LIMIT / 1_000} s`)
  process.exit(1)
}, LIMIT).unref()
process.once('exit', () => {
  running?.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

for (const file of run('git', ['ls-files'], root).trim().split('\n'))
  cpSync(join(root, file), join(app, file))
run('npm', ['ci', '--omit=dev'], app)
for (const version of SUPPORTED) await starts(version)
for (const version of UNSUPPORTED) await refuses(version)

async function starts(version: string): Promise<void> {
  const [port, adminPort] = [new URL(await closedPort()).port, new URL(await closedPort()).port]
  const [url, admin] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${adminPort}`]
  const { child, output } = npmStart(version, { PORT: port, ADMIN_PORT: adminPort, WORKERS: '1' })
  try {
    await until(async () => {
      assert.equal(child.exitCode, null, 'it has ended')
      return (await call(`${admin}/readyz`).catch(() => undefined))?.status === 200
    }, STEP)
    assert.equal((await call(`${url}/api/v1/users/ada`)).status, 401)
    assert.equal((await call(`${admin}/reload`, { method: 'POST' })).json.outcome, 'done')
    assert.equal((await call(`${url}/api/v1/users/ada`)).status, 401)
    child.kill('SIGTERM')
    const [code] = await once(child, 'exit')
    assert.equal(code, 0)
    assert.doesNotMatch(output(), /warning/i)
  } catch (error) {
    throw new Error(`Node ${version}: ${(error as Error).message}\n${output()}`)
  }
  console.log(`Node ${version}: starts, answers, reloads, stops`)
}

async function refuses(version: string): Promise<void> {
  const { child, output } = npmStart(version, {})
  const [code] = await once(child, 'close')
  assert.notEqual(code, 0)
  assert.match(output(), /^sluice runs on Node 22 \(from 22\.19\), .*: this is v\d+\.\d+\.\d+$/m)
  assert.doesNotMatch(output(), /^ +at /m)
  console.log(`Node ${version}: is refused`)
}

/** By npm, as operators do. */
function npmStart(version: string, env: Record<string, string>) {
  const child = spawn('npm', ['start'], {
    cwd: app,
    env: { ...env, PATH: `${dirname(install(version))}:${process.env.PATH}`, HOME: directory },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  running = child
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', chunk => {
      output += chunk
    })
  return { child, output: () => output }
}

/** The package that has this platform's program, as the package `node` installs it. Returns its path. */
function install(version: string): string {
  const name = `node-${process.platform}-${process.arch}`
  const prefix = join(directory, version)
  run('npm', ['install', '--no-save', '--prefix', prefix, `${name}@${version}`], directory)
  return join(prefix, 'node_modules', name, 'bin/node')
}

function run(command: string, args: string[], cwd: string): string {
  return execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    timeout: STEP,
    stdio: ['ignore', 'pipe', 'inherit']
  })
}
