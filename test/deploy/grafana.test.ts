import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startRedis } from '../../testing/redis-server.ts'
import { startTokens } from '../../testing.ts'
import { startServer } from '../cluster/rig.ts'
import { call, closedPort, startService } from '../harness.ts'
import { tls } from '../http2.ts'
import { startPrometheus } from '../prometheus.ts'
import { until } from '../until.ts'

interface Panel {
  id: number
  type: string
  title: string
  gridPos: { x: number; y: number; w: number; h: number }
  datasource?: { uid: string }
  targets?: { refId: string; expr: string; datasource: { uid: string } }[]
}

const file = join(import.meta.dirname, '../../deploy/grafana/sluice.json')
const dashboard = JSON.parse(readFileSync(file, 'utf8'))
const panels: Panel[] = dashboard.panels
const variables: { name: string; type: string; query: { query: string } }[] = dashboard.templating.list

t.test('panels have ids, places and data sources of their own', t => {
  t.ok(dashboard.schemaVersion >= 39)
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  const cells = new Map<string, string>()
  for (const { type, title, gridPos, datasource, targets = [] } of panels) {
    const { x, y, w, h } = gridPos
    t.ok(x + w <= 24, `${title} fits`)
    for (let column = x; column < x + w; column++)
      for (let line = y; line < y + h; line++) {
        const cell = `${column}, ${line}`
        if (cells.has(cell)) t.fail(`${title} covers ${cells.get(cell)}`)
        cells.set(cell, title)
      }
    if (type === 'row') continue
    t.ok(targets.length > 0, title)
    t.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length)
    for (const { uid } of [datasource, ...targets.map(target => target.datasource)] as { uid: string }[])
      t.equal(uid, `\${datasource}`)
  }
  t.same(
    panels.filter(({ type }) => type === 'row').map(({ title }) => title),
    [
      'Overview',
      'Causes of failures',
      'Upstreams and endpoints',
      'Breakers',
      'Limits',
      'Overload',
      'Workers and Redis',
      'Log and recorder'
    ]
  )
  t.end()
})

t.test('every query returns data from a gateway with traffic', async t => {
  const redis = await startRedis(t)
  const { options } = await startTokens(t)
  const service = await startService(t, (request, response) => {
    request.resume()
    if (request.url === '/fails') response.statusCode = 503
    response.end('ok')
  })
  const config = `
    import { forward } from 'sluice'
    const routes = async app => {
      await app.register(forward)
      app.forward({ method: ['GET', 'POST'], url: '/*', upstream: 'good', prefix: '' })
      app.forward({ method: 'GET', url: '/bad', upstream: 'bad', prefix: '/bad' })
    }
    export default {
      listen: { port: Number(process.env.PORT) },
      admin: { port: Number(process.env.ADMIN_PORT) },
      log: { level: 'silent' },
      redis: { url: '${redis.url}' },
      tiers: { free: { limits: [{ limit: 1_000, window: 60_000 }] } },
      overload: {},
      issuers: { main: ${JSON.stringify(options)} },
      upstreams: {
        good: { url: '${service}', mirror: { to: 'bad' } },
        secure: { url: 'https://localhost:1', tls: ${JSON.stringify(tls)} },
        bad: { endpoints: [{ url: '${await closedPort()}' }, { url: '${service}' }], retry: { attempts: 1 } }
      },
      scopes: {
        mine: { prefix: '/mine', jwt: 'main', routes: async app => void app.get('/', async () => 1) },
        shop: { prefix: '/{version}/shop', rateLimit: { address: 'free' }, versions: { v1: { routes } } }
      }
    }`
  const { url, admin } = await startServer(t, { config, workers: 1 })
  const { query } = await startPrometheus(t, {
    global: { scrape_interval: '500ms', scrape_timeout: '500ms' },
    scrape_configs: [{ job_name: 'sluice', static_configs: [{ targets: [new URL(admin).host] }] }]
  })
  const queries = [
    ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
    ...variables
      .filter(({ type }) => type === 'query')
      .map(
        ({ name, query: { query } }) => [name, query.replace(/^label_values\((.*), \w+\)$/, '$1')] as const
      ),
    ...dashboard.annotations.list.map(({ name, expr }: { name: string; expr: string }) => [
      name,
      expr.replace(/ == 0$/, '')
    ])
  ]
  t.ok(queries.length > 50, `${queries.length} queries`)
  const missing = new Map(queries.map(([title, expr]) => [expr, title]))
  await until(async () => {
    await Promise.all(['/v1/shop/', '/v1/shop/fails', '/v1/shop/bad', '/none'].map(path => call(url + path)))
    for (const expr of missing.keys()) {
      const series = await query(concrete(expr))
      if (series.some(({ value }) => Number.isFinite(Number(value[1])))) missing.delete(expr)
    }
    return missing.size === 0
  }).catch(() => {})
  t.same([...missing], [])
})

/** Replaces the dashboard's variables as Grafana does. */
function concrete(expr: string): string {
  const query = expr.replaceAll('$__rate_interval', '5s')
  return query.replace(/\$(\w+)/g, (_, name) => {
    if (!variables.some(variable => variable.name === name)) throw new Error(`unknown variable ${name}`)
    return '.*'
  })
}
