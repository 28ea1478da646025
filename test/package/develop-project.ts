import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { call, closedPort } from '../harness.ts'
import { until } from '../until.ts'
import type { InstalledApp } from './installed.ts'

/** ms: a worker takes seconds to start on a busy machine. */
const LIMIT = 120_000

/** Runs `npm run dev` in a created project, and does what its developer does: requests, a change, a mistake, Ctrl-C. */
export async function developProject(t: Test, project: InstalledApp): Promise<void> {
  const [gateway, admin, orders, products, issuer] = await Promise.all(Array.from({ length: 5 }, closedPort))
  const portOf = (url = '') => new URL(url).port
  const env = {
    PORT: portOf(gateway),
    ADMIN_PORT: portOf(admin),
    ORDERS_URL: orders as string,
    PRODUCTS_URL: products as string,
    JWT_ISSUER: issuer as string
  }
  const dev = project.start('npm', ['run', 'dev'], { env })
  t.teardown(() => dev.kill('SIGKILL'))
  let output = ''
  for (const stream of [dev.stdout, dev.stderr])
    stream?.on('data', chunk => {
      output += chunk
    })
  const prints = (pattern: RegExp) =>
    until(() => pattern.test(output), LIMIT).catch(() =>
      t.fail(`${pattern} is not in the output:\n${output}`)
    )
  await prints(/^curl .*\/api\/overview /m)
  await prints(/^Dashboard: /m)
  t.match(output, `Dashboard: ${admin}.`)

  const [, token] = /^TOKEN=(\S+)$/m.exec(output) ?? []
  const headers = { authorization: `Bearer ${token}` }
  t.equal((await call(`${gateway}/api/overview`)).status, 401)
  const overview = await call(`${gateway}/api/overview`, { headers })
  t.same([overview.status, overview.json.orders.length, overview.json.products.length], [200, 1, 2])
  t.equal((await call(`${gateway}/api/v1/orders/o-1`, { headers })).json.item, 'p-100')
  const key = { ...headers, 'content-type': 'application/json', 'idempotency-key': '1' }
  const body = '{"product":"p-101","quantity":2}'
  const placed = await call(`${gateway}/api/v2/orders`, { method: 'POST', headers: key, body })
  t.same(placed.json, { id: 'o-2', product: 'p-101', quantity: 2, total: '9.90' })

  const file = join(project.folder, 'routes/overview.ts')
  const before = await readFile(file, 'utf8')
  const save = async (products: string) =>
    writeFile(file, before.replace('products })\n', `products${products} })\n`))
  const seen = async () => (await call(`${gateway}/api/overview`, { headers })).json.products
  await save(': []')
  await prints(/ reloaded/)
  t.same(await seen(), [])
  await save(': [}')
  await prints(/reload failed; the old workers stay[\s\S]*routes\/overview\.ts:\d+/)
  t.same(await seen(), [])
  await save('')
  await prints(/ reloaded[\s\S]* reloaded/)
  t.equal((await seen()).length, 2)

  // Not SIGINT: npm and its shell would have to get it from a terminal.
  dev.kill('SIGTERM')
  const refused = (url = '') => call(url).catch(({ cause }) => cause.code)
  for (const url of [gateway, admin, orders, products, issuer])
    await until(async () => (await refused(url)) === 'ECONNREFUSED', LIMIT)
  t.pass('everything has ended')
}
