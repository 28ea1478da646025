import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { until } from '../until.ts'
import { CONFIG, type Stage, startStage } from './stage.ts'
import { openDashboard } from './watched-browser.ts'

/**
 * Takes the screenshots of docs/dashboard.md: `node --conditions=sluice-source test/dashboard/screenshots.ts`. Each shows a
 * staged failure. It takes two minutes, so that the charts have something to show.
 */

const FOLDER = join(import.meta.dirname, '../../docs/screenshots')
const TRAFFIC_MS = Number(process.env.TRAFFIC_MS ?? 120_000)
const VIEWPORT = { width: 1200, height: 800 }

const ends: (() => unknown)[] = []
const test = { teardown: (end: () => unknown) => void ends.unshift(end) }

try {
  mkdirSync(FOLDER, { recursive: true })
  const stage = await startStage(test)
  const stop = startTraffic(stage)
  await sleep(TRAFFIC_MS / 2)
  await fail(stage)
  await sleep(TRAFFIC_MS / 2)
  await take(stage)
  await stop()
} finally {
  for (const end of ends) await end()
}

/** Sends requests of several consumers and versions. */
function startTraffic({ get }: Stage): () => Promise<void> {
  let isRunning = true
  const send = async (path: string, consumer: string, pause: number) => {
    for (let i = 1; isRunning; i++) {
      await get(path.replace('*', `${i}`), consumer).catch(() => {})
      await sleep(pause)
    }
  }
  const all = Promise.all([
    send('/api/v2/orders/*', 'shop-app', 150),
    send('/api/v1/orders/*', 'legacy-app', 400),
    send('/api/v2/orders/*/total', 'billing', 300),
    ...Array.from({ length: 6 }, () => send('/api/v2/orders/*', 'importer', 40)),
    send('/api/users/*', 'shop-app', 200)
  ])
  return async () => {
    isRunning = false
    await all
  }
}

/** An endpoint gets slow, responses lose a member, a service stops, and a reload fails. */
async function fail({ orders, ordersB, users, server }: Stage): Promise<void> {
  orders.behave((request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(request.headers.accept === undefined ? '{"id":"1"}' : '{"id":"1","total":12.5}')
  })
  ordersB.behave((_request, response) => {
    response.setHeader('content-type', 'application/json')
    setTimeout(() => response.end('{"id":"1","total":"12.50"}'), 700)
  })
  await users.stop()
  server.write(CONFIG.replace('limit: 100', "limit: '100 a minute'"))
  await server.reload()
}

async function take({ server }: Stage): Promise<void> {
  const page = await openDashboard(test, server.admin, { viewport: VIEWPORT })
  await shoot(page, 'overview', 'is open, so calls')
  await page.goto(`${server.admin}/#/scopes`)
  await shoot(page, 'scopes', /^[\d.]+\/s$/)
  await page.goto(`${server.admin}/#/upstreams`)
  await page
    .getByText(/Breaker history/)
    .first()
    .click()
  await shoot(page, 'upstreams', 'connection-refused')
  await page.goto(`${server.admin}/#/limits`)
  await shoot(page, 'limits', 'importer')
  await page.goto(`${server.admin}/#/versions`)
  await shoot(page, 'versions', 'legacy-app')
  await page.goto(`${server.admin}/#/deploys`)
  await shoot(page, 'deploys', 'failed')
  await page.goto(`${server.admin}/#/exchanges?scope=orders&minDuration=500`)
  await shoot(page, 'exchanges', 'shop-app')
  await page.goto(`${server.admin}/#/exchanges?status=5xx&scope=orders`)
  await page
    .getByRole('link', { name: /^GET .*total$/ })
    .first()
    .click()
  await shoot(page, 'exchange', 'Where the time went')
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.setViewportSize({ width: 390, height: 844 })
  await page.goto(`${server.admin}/#/overview`)
  await shoot(page, 'phone', 'is open, so calls')
}

/** Waits for a text, then for a moment without changes of the layout. */
async function shoot(page: Page, name: string, text: string | RegExp): Promise<void> {
  await page.getByText(text).first().waitFor()
  await until(() =>
    page.evaluate('document.querySelector("main [role=status]")?.textContent !== "Loading …"')
  )
  await page.screenshot({ path: join(FOLDER, `${name}.png`) })
}
