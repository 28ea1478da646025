import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { call, closedPort, environmentOf } from '../harness.ts'
import { until as poll } from '../until.ts'
import { sluice } from './golden.ts'

/** `sluice dev` as a process, with real files. */

const bin = fileURLToPath(new URL('../../cli/sluice.js', import.meta.url))

/** A worker takes seconds to start on a busy machine. */
const until = (condition: () => unknown) => poll(condition, 120_000)

interface Dev {
  child: ChildProcess
  url: string
  admin: string
  output(): string
  /** Replaces the file by a new one, as many editors do. */
  save(file: string, text: string): void
  remove(file: string): void
  /** Resolves when a new request gets this response. */
  serves(text: string): Promise<void>
  reloads(): Promise<{ trigger: { by: string }; outcome: string; changes: { files: string[] } }[]>
}

type Files = Record<string, string>

async function startDev(t: Test, files: Files, args: string[] = [], gateway?: string): Promise<Dev> {
  const folder = t.testdir()
  const save = (name: string, text: string) => {
    const file = join(folder, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(`${file}.tmp`, text)
    renameSync(`${file}.tmp`, file)
  }
  for (const [name, text] of Object.entries(files)) save(name, text)
  const [origin, admin] = [gateway ?? (await closedPort()), await closedPort()]
  const url = `${origin}/text`
  const env = environmentOf({ PORT: new URL(origin).port, ADMIN_PORT: new URL(admin).port })
  const child = spawn(process.execPath, [bin, 'dev', ...args], { cwd: folder, env })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', chunk => {
      output += chunk
    })
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })
  return {
    child,
    url,
    admin,
    output: () => output,
    save,
    remove: name => rmSync(join(folder, name), { recursive: true }),
    serves: expected =>
      until(async () => (await call(url).catch(() => undefined))?.text === expected || (await sleep(100))),
    reloads: async () => (await call(`${admin}/deploys`)).json.reloads
  }
}

const config = (more = '') => `
import { text } from './routes/text.ts'
export default {
  listen: { port: Number(process.env.PORT) },
  admin: { port: Number(process.env.ADMIN_PORT) },
  ${more}
  scopes: { text: { prefix: '/text', routes: async app => void app.get('/', async () => text) } }
}`
const text = (value: string) => `export const text = '${value}'`

t.test('a saved file is loaded, whatever way it is saved', async t => {
  const dev = await startDev(t, {
    'fastify.config.ts': config(),
    'routes/text.ts': text('one'),
    'README.md': 'a readme'
  })
  await dev.serves('one')
  const listening = /^\d\d:\d\d:\d\d info {2}listening on http:\/\/127\.0\.0\.1:\d+, admin API on/m
  await until(() => listening.test(dev.output()))
  t.match(dev.output(), `Dashboard: ${dev.admin}.`)

  dev.save('routes/text.ts', text('replaced'))
  await dev.serves('replaced')
  writeFileSync(join(t.testdirName, 'routes/text.ts'), text('written in place'))
  await dev.serves('written in place')

  // Neither is loaded, nor is a file loaded whose content did not change.
  dev.save('README.md', 'another readme')
  dev.save('routes/text.test.ts', 'not loaded')
  dev.save('routes/text.ts', text('written in place'))
  dev.save('routes/more.ts', text('in a new folder'))
  dev.save('routes/deep/er/text.ts', text('in a new folder'))
  dev.save('routes/text.ts', `export { text } from './deep/er/text.ts'`)
  await dev.serves('in a new folder')
  dev.save('routes/deep/er/text.ts', text('in a folder that is watched since'))
  await dev.serves('in a folder that is watched since')

  for (let i = 0; i <= 300; i++) writeFileSync(join(t.testdirName, 'routes/text.ts'), text(`burst ${i}`))
  await dev.serves('burst 300')
  const reloads = await dev.reloads()
  t.ok(reloads.length <= 6, `${reloads.length} reloads`)
  for (const { trigger, outcome } of reloads) t.same([trigger.by, outcome], ['save', 'done'])
  t.ok(reloads.at(-1)?.changes.files.some(file => file.endsWith('routes/text.ts')))

  await until(() => /^\d\d:\d\d:\d\d 200 GET \/text [\d.]+ ms$/m.test(dev.output()))
})

t.test('a save is said at once, also during a reload', async t => {
  const slowly = (value: string) => `await new Promise(done => setTimeout(done, 3_000))\n${text(value)}`
  const dev = await startDev(t, { 'fastify.config.ts': config(), 'routes/text.ts': text('one') })
  await dev.serves('one')
  dev.save('routes/text.ts', slowly('two'))
  await until(() => /^routes\/text\.ts changed, reloading$/m.test(dev.output()))
  t.equal((await call(dev.url)).text, 'one')
  // The running worker has the same content, the new one another.
  await sleep(1_500)
  dev.save('routes/text.ts', text('one'))
  await until(() => /^routes\/text\.ts changed during the reload; reloading again unless/m.test(dev.output()))
  await until(async () => (await dev.reloads()).length > 0)
  await dev.serves('one')
  t.notMatch(dev.output(), 'reload failed')
})

t.test('a port that is in use is reported with the variables to set', async t => {
  const blocker = createServer().listen(0, '127.0.0.1')
  await once(blocker, 'listening')
  t.teardown(() => void blocker.close())
  const address = `127.0.0.1:${(blocker.address() as AddressInfo).port}`
  const files = { 'fastify.config.ts': config(), 'routes/text.ts': text('one') }
  const dev = await startDev(t, files, [], `http://${address}`)
  await until(() => dev.output().includes('Or run it with other ports: PORT is usually'))
  t.match(dev.output(), `${address} is in use by another process\nThe gateway does not run.`)
})

t.test('a file with a fault is reported, and the old code continues', async t => {
  const dev = await startDev(t, { 'fastify.config.ts': config(), 'routes/text.ts': text('one') })
  await dev.serves('one')
  dev.save('routes/text.ts', 'export const text = ;')
  await until(() => /Expression expected \(.*routes\/text\.ts:1\)/.test(dev.output()))
  await until(() => dev.output().includes('error reload failed; the old workers stay'))
  t.equal((await call(dev.url)).text, 'one')

  // The missing file may be one that no worker has loaded.
  dev.save('routes/text.ts', `export { text } from './other/text.ts'`)
  await until(() => /Cannot find module .*other\/text\.ts/.test(dev.output()))
  dev.save('routes/other/text.ts', text('found'))
  await dev.serves('found')

  dev.remove('routes')
  await until(() => /Cannot find module .*routes\/text\.ts/.test(dev.output()))
  t.equal((await call(dev.url)).text, 'found')
  dev.save('routes/text.ts', text('again'))
  await dev.serves('again')

  dev.save('fastify.config.ts', config('tiers: { free: { limits: [{ limit: 0, window: 1000 }] } },'))
  await until(() => /^ {9}\/tiers\/free\/limits\/0\/limit must be >= 1$/m.test(dev.output()))
  t.equal((await call(dev.url)).text, 'again')
})

t.test('a gateway that does not start is started by the next save', async t => {
  const dev = await startDev(t, {
    'fastify.config.ts': config(),
    'routes/text.ts': `export const text = ''\nthrow new Error('no text yet')`
  })
  await until(() => /^The gateway does not run\. Save a file to try again/m.test(dev.output()))
  t.match(dev.output(), /^fastify\.config\.ts cannot be loaded: no text yet \(routes\/text\.ts:2(:\d+)?\)$/m)
  dev.save('routes/text.ts', text('now'))
  await dev.serves('now')
})

t.test('links are followed, and the OpenAPI documents of services are watched', async t => {
  const document = (title: string) =>
    JSON.stringify({ openapi: '3.1.0', info: { title, version: '1' }, paths: {} })
  const more = `upstreams: { a: { url: 'http://127.0.0.1:1', openapi: 'api/a.json' } },`
  const elsewhere = t.testdir({ 'text.ts': text('elsewhere') })
  await t.test('in a project', async t => {
    const dev = await startDev(t, { 'fastify.config.ts': config(more), 'api/a.json': document('one') })
    symlinkSync(elsewhere, join(t.testdirName, 'routes'))
    await dev.serves('elsewhere')
    writeFileSync(join(elsewhere, 'text.ts'), text('changed'))
    await dev.serves('changed')
    dev.save('api/a.json', document('two'))
    await until(async () => (await dev.reloads()).length === 2)
    t.same((await dev.reloads())[0]?.changes.files, ['api/a.json'])
  })
})

t.test('a program beside the gateway gets its URLs, and starts again when it is saved', async t => {
  const program = (name: string) => `
    import { writeFileSync } from 'node:fs'
    process.on('message', urls => console.log('${name}', process.pid, JSON.stringify(urls)))
    setInterval(() => {}, 1_000)`
  const dev = await startDev(
    t,
    { 'fastify.config.ts': config(), 'routes/text.ts': text('one'), 'dev/services.ts': program('first') },
    ['--with', 'dev/services.ts', '--json']
  )
  const urls = JSON.stringify({ gateway: new URL(dev.url).origin, admin: dev.admin })
  const pidOf = (name: string) => Number(new RegExp(`^${name} (\\d+) `, 'm').exec(dev.output())?.[1])
  await until(() => dev.output().includes(urls))
  await until(() => /^\{"level":"info",.*"msg":"listening on /m.test(dev.output()))
  dev.save('dev/services.ts', program('second'))
  await until(() => pidOf('second'))
  await until(() => !isRunning(pidOf('first')))
  t.equal((await dev.reloads()).length, 0)

  dev.save('dev/services.ts', 'throw new Error("no services")')
  await until(() => /^dev\/services\.ts has ended: exit code 1\. Save it/m.test(dev.output()))
  dev.save('dev/services.ts', program('third'))
  await until(() => pidOf('third'))

  dev.child.kill('SIGINT')
  // npm sends the SIGINT of a Ctrl-C too.
  dev.child.kill('SIGINT')
  t.same(await once(dev.child, 'exit'), [0, null])
  t.notOk(isRunning(pidOf('third')))
  t.equal((await call(dev.url).catch(({ cause }) => cause))?.code, 'ECONNREFUSED')
})

t.test('everything ends with the process that has started it, and with sluice dev', async t => {
  const folder = t.testdir({
    'fastify.config.ts': config(),
    routes: { 'text.ts': text('one') },
    'beside.ts': `import { writeFileSync } from 'node:fs'
      process.on('message', () => writeFileSync('pid', String(process.pid)))`
  })
  for (const killed of ['parent', 'dev'] as const) {
    rmSync(join(folder, 'pid'), { force: true })
    const [url, admin] = [await closedPort(), await closedPort()]
    const env = environmentOf({ PORT: new URL(url).port, ADMIN_PORT: new URL(admin).port })
    const script = `"${process.execPath}" "${bin}" dev --with beside.ts & echo $!; wait`
    const parent = spawn('bash', ['-c', script], { cwd: folder, env })
    const [first] = await once(parent.stdout, 'data')
    const pid = Number(String(first).split('\n')[0])
    t.teardown(() => isRunning(pid) && process.kill(pid, 'SIGKILL'))
    await until(() => existsSync(join(folder, 'pid')))
    const companion = Number(readFileSync(join(folder, 'pid'), 'utf8'))
    process.kill(killed === 'dev' ? pid : (parent.pid as number), 'SIGKILL')
    await until(() => !isRunning(pid) && !isRunning(companion))
    await until(async () => (await call(url).catch(({ cause }) => cause))?.code === 'ECONNREFUSED')
    t.pass(`${killed} killed`)
  }
})

t.test('missing files are named', async t => {
  const missing = await sluice(['dev', '--config', 'nowhere.ts'])
  t.match(missing, { code: 1, err: 'nowhere.ts cannot be read: there is no such file\n' })
  const program = await sluice(['dev', '--with', 'nowhere.ts'])
  t.match(program, { code: 1, err: 'nowhere.ts cannot be read: there is no such file\n' })
})

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A zombie has ended.
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
