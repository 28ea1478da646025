import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { resolveConfig } from '../../config/resolve-config.ts'
import { call, closedPort, environmentOf, SOURCES } from '../harness.ts'
import { until } from '../until.ts'

const units = join(import.meta.dirname, '../../deploy/systemd')
const read = (name: string) => readFileSync(join(units, name), 'utf8')
const valuesOf = (name: string, key: string) =>
  [...read(name).matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value)

t.test('systemd accepts the units', async t => {
  const folder = t.testdir()
  cpSync(units, folder, { recursive: true })
  // The programs that they name need not be installed here.
  const service = join(folder, 'sluice.service')
  writeFileSync(service, read('sluice.service').replaceAll('/usr/bin/node', process.execPath))
  const paths = readdirSync(folder).map(name => join(folder, name))
  const verify = () => spawnSync('systemd-analyze', ['verify', ...paths], { encoding: 'utf8' })
  t.same([verify().status, verify().stderr], [0, ''])
  writeFileSync(service, `${readFileSync(service)}\n[Service]\nKilMode=mixed\n`)
  t.match(verify().stderr, "Unknown key 'KilMode'")
})

t.test('the service is confined', async t => {
  const score = (limit: number) =>
    spawnSync('systemd-analyze', [
      'security',
      '--offline=true',
      `--threshold=${limit}`,
      join(units, 'sluice.service')
    ])
  // Tenths of the exposure level.
  t.equal(score(20).status, 0, '1.6 with systemd 252')
  t.not(score(10).status, 0)
})

t.test('it is stopped after the drain, and its workers by the supervisor', async t => {
  const { drain } = resolveConfig({ default: {} }, {})
  t.same(valuesOf('sluice.service', 'TimeoutStopSec'), [`${(drain.delay + drain.timeout) / 1_000 + 5}`])
  t.same(valuesOf('sluice.service', 'KillMode'), ['mixed'])
})

t.test('the command of the service serves on sockets of systemd', async t => {
  const [start = ''] = valuesOf('sluice.service', 'ExecStart')
  const [reload = ''] = valuesOf('sluice.service', 'ExecReload')
  const folder = t.testdir({
    token: 'a-token-of-operators\n',
    'fastify.config.ts': `
import Type from 'typebox'
export const environment = Type.Object({ ADMIN_TOKEN: Type.String(), ADMIN_PORT: Type.Integer() })
export default ({ ADMIN_TOKEN, ADMIN_PORT }) => ({
  admin: { port: ADMIN_PORT, token: ADMIN_TOKEN },
  scopes: { hello: { prefix: '/hello', routes: async app => void app.get('/', async () => 'one') } }
})`
  })
  const config = join(folder, 'fastify.config.ts')
  // The project's node_modules.
  const bin = join(import.meta.dirname, '../../cli/sluice.js')
  const argsOf = (command: string) =>
    command
      .replace('/usr/bin/node', process.execPath)
      .replace('node_modules/sluice/cli/sluice.js', `${SOURCES} ${bin}`)
      .split(' ')
  const [port, adminPort] = [new URL(await closedPort()).port, new URL(await closedPort()).port]
  const env = environmentOf({
    WORKERS: '1',
    WORKER_WARM_UP: '0',
    ADMIN_PORT: adminPort,
    ADMIN_TOKEN_FILE: join(folder, 'token')
  })
  const names = ['sluice.socket', 'sluice-admin.socket'].flatMap(unit => valuesOf(unit, 'FileDescriptorName'))
  t.same(names, ['gateway', 'admin'])
  const listeners = [port, adminPort].map(port => `--listen=127.0.0.1:${port}`)
  // As systemd gives them, in any order.
  listeners.reverse()
  const variables = Object.keys(env).map(name => `--setenv=${name}`)
  const options = [...listeners, `--fdname=${names.toReversed().join(':')}`, ...variables]
  const service = spawn('systemd-socket-activate', [...options, ...argsOf(start)], {
    cwd: folder,
    env,
    stdio: ['ignore', 'ignore', 'pipe']
  })
  t.teardown(() => service.kill('SIGKILL'))
  await once(service.stderr, 'data')
  // Waits in the socket until the gateway has started.
  t.equal((await call(`http://127.0.0.1:${port}/hello`)).text, 'one')
  t.equal((await call(`http://127.0.0.1:${adminPort}/cluster`)).status, 401)

  writeFileSync(config, readFileSync(config, 'utf8').replace("'one'", "'two'"))
  const [program = '', ...args] = argsOf(reload)
  const child = spawn(program, args, { cwd: folder, env, stdio: 'ignore' })
  t.same(await once(child, 'exit'), [0, null])
  await until(async () => (await call(`http://127.0.0.1:${port}/hello`)).text === 'two')

  service.kill('SIGTERM')
  t.same(await once(service, 'exit'), [0, null])
})
