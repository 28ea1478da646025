import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createAdminApp } from '../../admin/admin-app.ts'
import { dashboardRoutes } from '../../admin/dashboard-routes.ts'
import { collectEndpoints } from '../../admin/endpoint-index.ts'
import { startCluster } from '../cluster/workers.ts'
import { call } from '../harness.ts'
import { get } from './get.ts'

const html = { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } }

/** Serves a dashboard of two files, or an empty folder. */
async function startDashboard(t: Test, isBuilt = true): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'secret.txt'), 'not an asset')
  if (isBuilt) {
    mkdirSync(join(folder, 'dashboard/assets'), { recursive: true })
    writeFileSync(join(folder, 'dashboard/index.html'), '<!doctype html><title>Sluice</title>')
    writeFileSync(join(folder, 'dashboard/assets/app-1a2b3c4d.js'), 'console.log(1)')
    writeFileSync(join(folder, 'dashboard/assets/.hidden.js'), 'hidden')
  }
  const admin = await createAdminApp({ host: '127.0.0.1', token: 'a-token-of-some-length' })
  t.teardown(() => admin.close())
  const index = collectEndpoints(admin)
  await admin.register(dashboardRoutes, { index, folder: join(folder, 'dashboard') })
  return admin.listen({ port: 0, host: '127.0.0.1' })
}

t.test('browsers get the dashboard, which loads nothing from elsewhere; no token is needed', async t => {
  const admin = await startDashboard(t)
  const page = await call(`${admin}/`, html)
  t.match(page, { status: 200, text: '<!doctype html><title>Sluice</title>' })
  const policy = page.headers.get('content-security-policy') ?? ''
  for (const part of [
    "default-src 'none'",
    "script-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'"
  ])
    t.ok(policy.split('; ').includes(part), part)
  t.notMatch(policy, /unsafe|http/)
  t.equal(page.headers.get('cache-control'), 'no-store')
  t.equal(page.headers.get('x-content-type-options'), 'nosniff')
  t.equal(page.headers.get('cross-origin-opener-policy'), 'same-origin')
  t.equal(page.headers.get('cross-origin-resource-policy'), 'same-origin')
  t.match(page.headers.get('vary'), /\baccept\b(?!-)/)

  const asset = await call(`${admin}/assets/app-1a2b3c4d.js`)
  t.match(asset, { status: 200, text: 'console.log(1)' })
  t.equal(asset.headers.get('cache-control'), 'public, max-age=31536000, immutable')
  t.match(asset.headers.get('content-type'), 'javascript')
})

t.test('other clients get the index of the admin API', async t => {
  const admin = await startDashboard(t)
  for (const path of ['/', '/index.json'])
    t.match((await call(admin + path)).json, [
      { method: 'GET', path: '/', summary: /dashboard/ },
      { method: 'GET', path: '/index.json' }
    ])
})

t.test('without a build, browsers get the command that makes one', async t => {
  const admin = await startDashboard(t, false)
  t.match(await call(`${admin}/`, html), { status: 404, text: /npm run build:dashboard/ })
  t.equal((await call(`${admin}/assets/app-1a2b3c4d.js`)).status, 404)
})

t.test('only files below assets are served', async t => {
  const admin = await startDashboard(t)
  const { hostname, port } = new URL(admin)
  for (const path of [
    '/assets/../secret.txt',
    '/assets/../../secret.txt',
    '/assets/%2e%2e/%2e%2e/secret.txt',
    '/assets/..%2f..%2fsecret.txt',
    '/assets/..%5c..%5csecret.txt',
    '/assets//../index.html',
    '/assets/../index.html',
    '/assets/%2e%2e/index.html',
    '/assets/.hidden.js',
    '/assets/%2ehidden.js',
    '/assets/',
    '/assets',
    '/assets/%00',
    '/assets/%',
    '//assets/app-1a2b3c4d.js',
    '/assets//app-1a2b3c4d.js'
  ]) {
    // fetch would resolve the path.
    const { status, text } = await get(hostname, Number(port), path)
    t.ok(status >= 400 && status < 500, `${path}: ${status}`)
    t.notMatch(text, /not an asset|hidden|doctype/)
  }
})

t.test('every route of the admin API has a line in the index', async t => {
  const { build } = await startCluster(t, 1, (_request, response) => void response.end())
  const admin = await build()
  const index: { path: string; summary: string }[] = (await admin.inject('/index.json')).json()
  t.ok(index.length > 15, `${index.length} routes`)
  t.same(
    index.filter(({ summary }) => summary === ''),
    []
  )
})
