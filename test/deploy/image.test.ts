import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import lock from '../../package-lock.json' with { type: 'json' }
import { closedPort, startService } from '../harness.ts'

/** Checks deploy/Dockerfile without a container engine; `npm run test:image` builds and runs it. */

const root = join(import.meta.dirname, '../..')
const file = join(root, 'deploy/Dockerfile')
const stages = readFileSync(file, 'utf8').split(/^(?=FROM )/m)
const gateway = stages.at(-1) as string

const lint = (path: string) =>
  spawnSync(join(import.meta.dirname, '.venv/bin/hadolint'), ['--failure-threshold=style', path], {
    encoding: 'utf8'
  })

t.test('hadolint finds nothing', async t => {
  t.same([lint(file).status, lint(file).stdout], [0, ''])
  const bad = join(t.testdir({ Dockerfile: 'FROM node\nRUN cd /tmp && npm install x\n' }), 'Dockerfile')
  t.match(lint(bad).stdout, /DL3006/)
})

t.test('the image runs as nobody, and its process gets the signals', async t => {
  t.match(gateway, /^FROM \$\{NODE_IMAGE\} AS gateway$/m)
  t.match(gateway, /^USER 65532:65532$/m)
  t.match(gateway, /^CMD \["node", /m)
  t.notMatch(gateway, /^(ENTRYPOINT|ADD|RUN|ARG)\b/m)
  t.notMatch(gateway, /--chown|TOKEN|SECRET|PASSWORD/)
})

t.test('the image gets named files only', async t => {
  const copied = [...gateway.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths = '']) =>
    paths.split(' ')
  )
  t.ok(copied.length > 5)
  for (const path of copied) t.ok(path !== '.' && existsSync(join(root, path)), path)
  const ignored = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n')
  for (const name of ['**/node_modules', '**/.git', '**/.env*']) t.ok(ignored.includes(name), name)
})

t.test('the packages of OpenTelemetry have the versions that are tested', async t => {
  const { default: telemetry } = await import('../../deploy/telemetry/package.json', {
    with: { type: 'json' }
  })
  for (const [name, version] of Object.entries(telemetry.dependencies)) {
    t.ok(Object.hasOwn(packageJson.peerDependencies, name), name)
    const { packages } = lock as { packages: Record<string, { version?: string }> }
    t.equal(version, packages[`node_modules/${name}`]?.version, name)
  }
})

t.test('the health check follows /readyz', async t => {
  const [, command = ''] = /^HEALTHCHECK [^\n]*\\\n +CMD (\[.+\])$/m.exec(gateway) ?? []
  const [program, ...args] = JSON.parse(command)
  t.equal(program, 'node')
  let status = 200
  const admin = await startService(t, ({ url }, response) => {
    response.writeHead(url === '/readyz' ? status : 404).end()
  })
  const check = async (url: string) => {
    const child = spawn(process.execPath, args, { env: { ADMIN_PORT: new URL(url).port }, stdio: 'ignore' })
    return (await once(child, 'exit'))[0]
  }
  t.equal(await check(admin), 0)
  status = 503
  t.equal(await check(admin), 1)
  t.equal(await check(await closedPort()), 1)
})
