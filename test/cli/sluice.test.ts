import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { call, closedPort, type Ending, environmentOf } from '../harness.ts'
import { until } from '../until.ts'
import { type CommandResult, golden, sluice } from './golden.ts'

/** Runs the command as a process. */

const root = fileURLToPath(new URL('../..', import.meta.url))

function start(t: Ending, args: string[], env = environmentOf()): ChildProcess {
  const child = spawn(process.execPath, args, { cwd: root, env })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

async function run(t: Ending, args: string[], env = environmentOf()): Promise<CommandResult> {
  const child = start(t, args, env)
  let out = ''
  let err = ''
  child.stdout?.on('data', chunk => {
    out += chunk
  })
  child.stderr?.on('data', chunk => {
    err += chunk
  })
  const [code] = await once(child, 'close')
  return { code, out, err }
}

t.test('help describes all commands and each of them', async t => {
  const { code, out, err } = await sluice(['help'])
  t.same([code, err], [0, ''])
  golden(t, 'help/sluice.txt', out)
  t.equal((await sluice(['--help'])).out, out)
  const names = [
    'dev',
    'start',
    'reload',
    'status',
    'check',
    'routes',
    'explain',
    'openapi',
    'import',
    'tail'
  ]
  for (const name of names) {
    const help = await sluice(['help', name])
    golden(t, `help/${name}.txt`, help.out)
    t.same(await sluice([name, '--help']), help)
  }
})

t.test('an unknown command is wrong usage', async t => {
  for (const args of [
    [],
    ['chekc'],
    ['toString'],
    ['__proto__'],
    ['help', 'x'],
    ['check', 'x'],
    ['check', '--x'],
    ['check', '-c']
  ]) {
    const { code, out, err } = await sluice(args)
    t.equal(code, 2, args.join(' '))
    t.equal(out, '')
    t.match(err, /^sluice: [^\n]+\n$/)
  }
})

t.test('the process exits with the code of the command', async t => {
  const bin = 'cli/sluice.js'
  t.match(await run(t, [bin, '--version']), { code: 0, out: /^\d+\.\d+\.\d+\n$/ })
  const strict = [bin, 'check', '--strict', '-c', 'test/cli/configs/audited.ts']
  t.match(await run(t, strict, environmentOf({ CASE: 'body-limit-large' })), { code: 1, out: /warning/ })
  t.match(await run(t, [bin, 'check'], environmentOf({ PORT: 'x' })), {
    code: 1,
    out: 'fault    PORT must be integer\n\n1 fault\n'
  })
  t.match(await run(t, [bin, 'explain', 'GET']), {
    code: 2,
    err: 'sluice: explain needs the arguments METHOD and URL\n'
  })
})

t.test('open handles of a config do not keep the command running', async t => {
  const directory = t.testdir({ 'busy.ts': 'setInterval(() => {}, 1_000)\nexport default {}' })
  const { code, out } = await run(t, ['cli/sluice.js', 'check', '-c', `${directory}/busy.ts`])
  t.same([code, out], [0, '0 errors, 0 warnings\n'])
})

t.test('a closed pipe ends the command silently', async t => {
  const child = start(t, ['cli/sluice.js', 'routes'])
  let err = ''
  child.stderr?.on('data', chunk => {
    err += chunk
  })
  child.stdout?.destroy()
  const [code] = await once(child, 'close')
  t.same([code, err], [0, ''])
})

t.test('a Node without type stripping is reported in one line', async t => {
  const { code, out, err } = await run(t, ['--no-strip-types', 'cli/sluice.js', 'check'])
  t.same([code, out], [2, ''])
  t.match(err, /^sluice needs a Node that runs TypeScript, 22\.19 or later; this is v[\d.]+\n$/)
})

t.test('the sources do not run without their condition, even if dist exists', async t => {
  // Use a shell: tap adds options to every Node process that is spawned.
  const child = spawn('sh', ['-c', `NODE_OPTIONS= "${process.execPath}" cli/sluice.js check`], { cwd: root })
  const [[code], out, err] = await Promise.all([once(child, 'exit'), text(child.stdout), text(child.stderr)])
  t.same([code, out], [2, ''])
  t.match(err, /^run the sources with "npx sluice" or "npm start", .*--conditions=sluice-source\n$/)
})

t.test('start runs the gateway until SIGTERM', async t => {
  const [port, adminPort] = [new URL(await closedPort()).port, new URL(await closedPort()).port]
  const env = environmentOf({ PORT: port, ADMIN_PORT: adminPort, LOG_LEVEL: 'silent' })
  const child = start(t, ['cli/sluice.js', 'start'], env)
  await until(
    async () => (await call(`http://127.0.0.1:${adminPort}/readyz`).catch(() => undefined))?.status === 200
  )
  t.equal((await call(`http://127.0.0.1:${port}/api/v1/users/1`)).status, 401)
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
  t.match(await run(t, ['cli/sluice.js', 'start', '--config', 'nowhere.ts']), {
    code: 1,
    err: 'nowhere.ts cannot be read: there is no such file\n'
  })
})
