import type { Locator } from 'playwright-core'
import t from 'tap'
import type { Ending } from '../harness.ts'
import { until } from '../until.ts'
import { type Stage, startStage } from './stage.ts'
import { openDashboard, type WatchedPage } from './watched-browser.ts'

/**
 * "orders is slow or fails for some customers": from the overview, an operator finds the cause of each staged failure in two
 * clicks at most.
 */

const json = '{"id":"1","total":"12.50"}'

async function open(t: Ending): Promise<Stage & { page: WatchedPage }> {
  const stage = await startStage(t)
  return { ...stage, page: await openDashboard(t, stage.server.admin) }
}

/** Sends requests until something is shown. */
async function untilShown(shown: Locator, send: () => Promise<unknown>): Promise<void> {
  await until(async () => {
    await send()
    return (await shown.count()) > 0
  }, 45_000)
}

t.test('an endpoint refuses connections', async t => {
  const { page, orders, get } = await open(t)
  await orders.stop()
  const problem = page.getByRole('link', { name: orders.url })
  await untilShown(problem, () => get('/api/v2/orders/1'))
  await problem.first().click()
  const row = page.getByRole('row', { name: orders.url })
  await row.getByText('connection-refused').waitFor()
  await row.getByText('▲ ejected').waitFor()
})

t.test('an endpoint is slow', async t => {
  const { page, orders, get } = await open(t)
  orders.behave((_request, response) => void setTimeout(() => response.end(json), 400))
  const problem = page.getByRole('link', { name: orders.url })
  await untilShown(problem, () => get('/api/v2/orders/1'))
  await problem.first().click()
  await page.getByRole('row', { name: orders.url }).getByText('slow:').waitFor()
})

t.test('a service answers with an invalid response', async t => {
  const { page, orders, ordersB, get } = await open(t)
  for (const service of [orders, ordersB])
    service.behave((_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end('{"id":"1","total":12.5}')
    })
  const errors = page
    .getByRole('row', { name: /^orders/ })
    .getByRole('link', { name: /^[1-9][\d.]* %/ })
    .first()
  await untilShown(errors, () => get('/api/v2/orders/1/total'))
  await errors.click()
  await page.getByRole('row', { name: 'invalid-response' }).first().getByRole('link').first().click()
  await page.getByText('/total').first().waitFor()
  await page.getByText('the response does not match its schema').first().waitFor()
})

t.test('a consumer has reached a limit', async t => {
  const { page, get } = await open(t)
  const requests = page.getByRole('row', { name: /^orders/ }).getByRole('link', { name: /\/s$/ })
  const send = async () => {
    for (let i = 0; i < 30; i++) await get('/api/v2/orders/1', 'importer')
  }
  await untilShown(requests, send)
  await send()
  await requests.click()
  await page
    .getByRole('row', { name: /limit-reached.*importer/ })
    .first()
    .waitFor()
})

t.test('an operator holds a breaker open', async t => {
  const { page, server, get } = await open(t)
  const until = new Date(Date.now() + 600_000).toISOString()
  await fetch(`${server.admin}/actions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ upstream: 'orders', action: 'open', until, reason: 'migration' })
  })
  const problem = page.getByRole('listitem').getByRole('link', { name: 'orders' })
  await untilShown(problem, () => get('/api/v2/orders/1'))
  await problem.first().click()
  await page.getByRole('region', { name: 'orders' }).getByText('“open” by').waitFor()
})
