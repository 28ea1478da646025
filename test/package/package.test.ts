import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { runPage } from '../docs/run-page.ts'
import { call, closedPort, startService } from '../harness.ts'
import { until } from '../until.ts'
import { developProject } from './develop-project.ts'
import { type InstalledApp, installApp, installIn, npm, type Packed, pack, packCreate } from './installed.ts'

/** The package as a user installs it: packed, and installed in an empty folder. */

let directory: string
let packed: Packed
let app: InstalledApp

t.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sluice-package-'))
  packed = await pack(directory)
  const { typescript, '@types/node': types } = packageJson.devDependencies
  app = await installApp(join(directory, 'app'), [
    packed.tarball,
    `typescript@${typescript}`,
    `@types/node@${types}`
  ])
})
t.teardown(() => rm(directory, { recursive: true, force: true }))

t.test('contains dist, the command, the documents and what deploys use', async t => {
  const others = packed.files.filter(file => !file.startsWith('dist/'))
  t.strictSame(others.sort(), [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'cli/node-version.js',
    'cli/sluice.js',
    'deploy/grafana/sluice.json',
    'deploy/helm/Chart.yaml',
    'deploy/helm/templates/NOTES.txt',
    'deploy/helm/templates/_container.tpl',
    'deploy/helm/templates/_faults.tpl',
    'deploy/helm/templates/_helpers.tpl',
    'deploy/helm/templates/autoscaler.yaml',
    'deploy/helm/templates/configmap.yaml',
    'deploy/helm/templates/deployment.yaml',
    'deploy/helm/templates/disruption-budget.yaml',
    'deploy/helm/templates/network-policy.yaml',
    'deploy/helm/templates/prometheus-rule.yaml',
    'deploy/helm/templates/service-account.yaml',
    'deploy/helm/templates/service-monitor.yaml',
    'deploy/helm/templates/services.yaml',
    'deploy/helm/templates/tests/responds.yaml',
    'deploy/helm/values.schema.json',
    'deploy/helm/values.yaml',
    'deploy/prometheus/alerts.yml',
    'deploy/prometheus/prometheus.yml',
    'deploy/systemd/sluice-admin.socket',
    'deploy/systemd/sluice.service',
    'deploy/systemd/sluice.socket',
    'package.json'
  ])
  const strangers = packed.files.filter(file =>
    /^dist\/(bench|demo|routes|test|fastify\.config)\b/.test(file)
  )
  t.strictSame(strangers, [])
  for (const { default: path } of Object.values(packageJson.exports)) {
    t.ok(packed.files.includes(path.slice(2)), path)
    t.ok(packed.files.includes(path.slice(2).replace(/\.js$/, '.d.ts')), `types of ${path}`)
  }
})

t.test('depends on the packages that dist imports, and on no others', async t => {
  const imported = new Set<string>()
  for (const file of packed.files.filter(file => /\.(js|d\.ts)$/.test(file))) {
    const text = await readFile(join(app.folder, 'node_modules', packageJson.name, file), 'utf8')
    for (const [, specifier = ''] of text.matchAll(/(?:\bfrom |\bimport\(|^import )['"]([^'"\s]+)['"]/gm))
      if (!/^(\.|#|node:)/.test(specifier)) imported.add(packageOf(specifier))
  }
  // The routes that `sluice import` writes import the package.
  const others = [packageJson.name, ...builtinModules, ...Object.keys(packageJson.peerDependencies)]
  for (const name of others) imported.delete(name)
  t.strictSame([...imported].sort(), Object.keys(packageJson.dependencies).sort())
  for (const [name, { optional }] of Object.entries(packageJson.peerDependenciesMeta)) {
    t.ok(Object.hasOwn(packageJson.peerDependencies, name), name)
    t.equal(optional, true, name)
  }
})

t.test('the packages of docs/traces.md install beside it', async t => {
  const page = await readFile(join(import.meta.dirname, '../../docs/traces.md'), 'utf8')
  const [, names = ''] = /^npm install (@opentelemetry.+)$/m.exec(page) ?? []
  const traced = await installApp(join(directory, 'traced'), [packed.tarball, ...names.split(' ')])
  const script = `import { otel } from '${packageJson.name}'
    const app = (await import('fastify')).default()
    app.register(otel).get('/', async ({ span }) => span.spanContext().traceId)
    console.log((await app.inject('/')).body)
    await app.close()`
  const env = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_BSP_SCHEDULE_DELAY: '3600000' }
  t.match(await traced.run('node', ['--input-type=module', '-e', script], { env }), /^[0-9a-f]{32}$/m)
  const { message } = await app
    .run('node', ['--input-type=module', '-e', script], { env })
    .then(String, e => e)
  t.match(message, `npm install ${names}`)
})

t.test('exports nothing but its public modules', async t => {
  const modules = ['gateway.js', 'dist/gateway.js', 'plugins/jwt.js', 'package.json']
  for (const module of modules) {
    const script = `import('${packageJson.name}/${module}').catch(({ code }) => console.log(code))`
    t.equal((await app.run('node', ['-e', script])).trim(), 'ERR_PACKAGE_PATH_NOT_EXPORTED', module)
  }
})

t.test('type-checks in an app, with the declarations of the package', async t => {
  t.equal(await app.run('npx', ['tsc']), '')
})

t.test('finds a wrong upstream when a project registers its names', async t => {
  t.equal(await app.run('npx', ['tsc', '--project', 'registered']), '')
})

t.test("an app's own tests run with sluice/testing", async t => {
  t.match(await app.run('node', ['--test', '--test-reporter=tap', 'test/*.ts']), '# fail 0')
})

t.test('the command checks, lists and explains a config', async t => {
  t.match(await app.run('npx', ['sluice', 'check']), '0 errors')
  t.match(await app.run('npx', ['sluice', 'routes']), /^GET +\/api\/orders\/:id +orders /m)
  t.match(
    await app.run('npx', ['sluice', 'explain', 'GET', '/api/status/1']),
    'http://127.0.0.1:4002/orders/1'
  )
  const second = ['sluice', 'check', '--config', 'second.config.ts']
  const { message } = await app.run('npx', second).then(
    () => new Error('no fault'),
    error => error
  )
  t.match(message, "no upstream is named 'stokc'")
  t.match(message, '/api/typo/*')
  t.match(message, '/scopes/typo')
  t.equal((await app.run('npx', ['sluice', '--version'])).trim(), packageJson.version)
})

for (const page of ['README.md', 'docs/start.md', 'docs/fastify-app.md'])
  t.test(`${page} works with the installed package`, t => runPage(t, page, join(app.folder, 'node_modules')))

t.test('a project of create-sluice is checked, tested and developed', async t => {
  const tarball = await packCreate(directory)
  const folder = join(directory, 'created')
  await mkdir(folder)
  const created = ['exec', '--yes', `--package=${tarball}`, '--', 'create-sluice', 'my-gateway']
  t.match(await npm(created, folder), 'Created my-gateway. Next:')
  const project = await installIn(join(folder, 'my-gateway'), [packed.tarball])
  t.match(await project.run('npm', ['run', 'check']), '0 errors, 0 warnings')
  t.match(await project.run('npm', ['test']), /^ℹ fail 0$/m)
  await developProject(t, project)
})

t.test('the command starts a gateway', async t => {
  const service = await startService(t, (request, response) => response.end(request.url))
  const [port, adminPort] = [new URL(await closedPort()).port, new URL(await closedPort()).port]
  const env = { ORDERS_URL: service, PORT: port, ADMIN_PORT: adminPort, WORKERS: '1' }
  const gateway = app.start('npx', ['sluice', 'start'], { env })
  t.teardown(() => gateway.kill('SIGKILL'))
  const ready = () => call(`http://127.0.0.1:${adminPort}/readyz`).catch(() => undefined)
  await until(async () => (await ready())?.status === 200, 30_000)
  t.equal((await call(`http://127.0.0.1:${port}/api/status/1`)).text, '/orders/1')
  t.equal((await call(`http://127.0.0.1:${port}/api/orders/1`)).status, 401)
  const admin = `http://127.0.0.1:${adminPort}`
  const dashboard = await call(admin, { headers: { accept: 'text/html' } })
  const assets = [...dashboard.text.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(
    ([, path = '']) => path
  )
  t.ok(assets.length > 2, dashboard.text)
  for (const path of [...assets, 'docs', 'docs/scalar.js', 'openapi.json'])
    t.equal((await call(`${admin}/${path}`)).status, 200, path)
  t.match(await app.run('npx', ['sluice', 'status', '--admin', admin]), '1 of 1 workers ready')
  gateway.kill('SIGTERM')
  // npx ends first.
  await until(async () => (await ready()) === undefined, 30_000)
})

/** Returns `@fastify/jwt` for `@fastify/jwt/types`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}
