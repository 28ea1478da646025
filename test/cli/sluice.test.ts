import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { call, closedPort, type Ending, environmentOf } from '../harness.ts'
import { until } from '../until.ts'
import { golden, type Outcome, sluice } from './golden.ts'

/** The command as a process, as a shell has it. */

const root = fileURLToPath(new URL('../..', import.meta.url))

function start(t: Ending, args: string[], env = environmentOf()): ChildProcess {
  const child = spawn(process.execPath, args, { cwd: root, env })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

async function run(t: Ending, args: string[], env = environmentOf()): Promise<Outcome> {
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

t.test('help says what there is, of all and of each', async t => {
  const { code, out, err } = await sluice(['help'])
  t.same([code, err], [0, ''])
  golden(t, 'help/sluice.txt', out)
  t.equal((await sluice(['--help'])).out, out)
  for (const name of ['start', 'reload', 'check', 'routes', 'explain', 'tail']) {
    const help = await sluice(['help', name])
    golden(t, `help/${name}.txt`, help.out)
    t.same(await sluice([name, '--help']), help)
  }
})

t.test('what is no command is wrong usage', async t => {
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

t.test('the exit code is that of the process', async t => {
  const bin = 'cli/sluice.js'
  t.match(await run(t, [bin, '--version']), { code: 0, out: /^\d+\.\d+\.\d+\n$/ })
  const strict = [bin, 'check', '--strict', '-c', 'test/cli/configs/audited.ts']
  t.match(await run(t, strict, environmentOf({ CASE: 'body-limit-large' })), { code: 1, out: /warning/ })
  t.match(await run(t, [bin, 'check'], environmentOf({ PORT: 'x' })), {
    code: 1,
    out: 'fault    PORT must be integer\n\n1 fault\n'
  })
  t.match(await run(t, [bin, 'explain', 'GET']), { code: 2, err: 'sluice: explain takes METHOD and URL\n' })
})

t.test('a config that keeps the process does not keep the command', async t => {
  const directory = t.testdir({ 'busy.ts': 'setInterval(() => {}, 1_000)\nexport default {}' })
  const { code, out } = await run(t, ['cli/sluice.js', 'check', '-c', `${directory}/busy.ts`])
  t.same([code, out], [0, '0 errors, 0 warnings\n'])
})

t.test('a reader that leaves ends it without a word', async t => {
  const child = start(t, ['cli/sluice.js', 'routes'])
  let err = ''
  child.stderr?.on('data', chunk => {
    err += chunk
  })
  child.stdout?.destroy()
  const [code] = await once(child, 'close')
  t.same([code, err], [0, ''])
})

t.test('a Node that does not strip types is told so in one line', async t => {
  const { code, out, err } = await run(t, ['--no-strip-types', 'cli/sluice.js', 'check'])
  t.same([code, out], [2, ''])
  t.match(err, /^sluice needs a Node that runs TypeScript, 22\.19 or later: this is v[\d.]+\n$/)
})

t.test('the sources do not run without their condition, even if dist exists', async t => {
  // By a shell, since tap adds its own options to every Node that is spawned.
  const child = spawn('sh', ['-c', `NODE_OPTIONS= "${process.execPath}" cli/sluice.js check`], { cwd: root })
  const [[code], out, err] = await Promise.all([once(child, 'exit'), text(child.stdout), text(child.stderr)])
  t.same([code, out], [2, ''])
  t.match(err, /^run the sources with "npx sluice" or "npm start", .*--conditions=sluice-source\n$/)
})

t.test('start runs the gateway until it is told to stop', async t => {
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
