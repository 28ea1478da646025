import { readFileSync } from 'node:fs'
import t from 'tap'
import { violationsOf } from './axe.ts'
import { startStage } from './stage.ts'
import { openDashboard } from './watched-browser.ts'

t.test(
  'new exchanges appear, are filtered by scope and status, and wait while the list is paused',
  async t => {
    const { server, users, get } = await startStage(t)
    await get('/api/v2/orders/before')
    const page = await openDashboard(t, server.admin)
    await page.goto(`${server.admin}/#/exchanges`)
    await page.getByText('Live.').waitFor()
    await page.getByRole('link', { name: 'GET /api/v2/orders/before' }).waitFor()
    await get('/api/v2/orders/after')
    await page.getByRole('link', { name: 'GET /api/v2/orders/after' }).waitFor()

    await page.getByRole('button', { name: 'Pause' }).click()
    await get('/api/users/paused')
    await page.getByRole('button', { name: 'Continue (1 new)' }).click()
    await page.getByRole('link', { name: 'GET /api/users/paused' }).waitFor()

    users.behave((_request, response) => void response.writeHead(500).end())
    await get('/api/users/failed')
    await page.getByLabel('Status').selectOption('5xx')
    await page.getByRole('link', { name: 'GET /api/users/failed' }).waitFor()
    await page.getByRole('link', { name: 'GET /api/users/paused' }).waitFor({ state: 'detached' })
    t.match(page.url(), /#\/exchanges\?status=5xx/)
    t.same(await violationsOf(page), [])
  }
)

t.test('one exchange shows its stages, headers, body, a curl command and a HAR', async t => {
  const { server, users, get } = await startStage(t)
  users.behave((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.setHeader('x-hostile', '<img src=x onerror=alert(1)>')
    response.writeHead(502).end('{"secret":"xyz","error":"<script>alert(1)</script>"}')
  })
  await get("/api/users/it's")
  const page = await openDashboard(t, server.admin)
  await page.goto(`${server.admin}/#/exchanges`)
  await page.getByRole('link', { name: "GET /api/users/it's" }).click()
  await page.getByRole('row', { name: /Gateway, until the first call/ }).waitFor()
  await page.getByText('<script>alert(1)</script>').waitFor()
  await page.getByText('"[redacted]"').waitFor()
  t.same(await violationsOf(page), [])

  await page.getByText('Copy as curl').click()
  await page.getByText("curl -X 'GET'").waitFor()
  const download = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Download HAR' }).click()
  const har = JSON.parse(readFileSync(await (await download).path(), 'utf8'))
  t.match(har.log.entries, [{ request: { method: 'GET' }, response: { status: 502 } }])

  await page.getByRole('link', { name: 'Back to the list' }).click()
  await page.getByLabel('Status').waitFor()
})

t.test('the summary counts what the listed exchanges have in common, and filters by it', async t => {
  const { server, users, get } = await startStage(t)
  await get('/api/v2/orders/1', 'bea')
  await users.stop()
  for (let i = 0; i < 2; i++) await get('/api/users/1', 'ada')
  const page = await openDashboard(t, server.admin)
  await page.goto(`${server.admin}/#/exchanges`)
  const summary = page.getByRole('region', { name: 'Summary' })
  await summary.getByText('3 exchanges from').waitFor()
  await summary.getByText('connection-refused 2').waitFor()
  await summary.getByText('/api/users/:id 2').waitFor()
  await summary.getByText(`${users.url} 2`).waitFor()
  t.same(await page.getByLabel('Cause').getByRole('option').nth(1).textContent(), 'connection-refused (2)')

  await summary.getByRole('link', { name: 'ada' }).click()
  await summary.getByText('2 exchanges from').waitFor()
  await page.getByRole('link', { name: 'Clear filters' }).click()
  await summary.getByText('3 exchanges from').waitFor()
  await page.getByRole('table', { name: 'Exchanges' }).getByRole('link', { name: users.url }).first().click()
  await summary.getByText('2 exchanges from').waitFor()

  await page.getByRole('link', { name: 'GET /api/users/1' }).first().click()
  await page.getByRole('button', { name: 'Capture route /api/users/:id' }).click()
  t.equal(await page.getByLabel('Route, such as').inputValue(), '/api/users/:id')
})

t.test('a capture is started and ended', async t => {
  const { server, get } = await startStage(t)
  const page = await openDashboard(t, server.admin)
  await page.goto(`${server.admin}/#/exchanges?consumer=ada`)
  await page.getByRole('button', { name: 'Start a capture' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Start' }).click()
  const row = page.getByRole('table', { name: 'Captures' }).getByRole('row', { name: 'consumer ada' })
  await row.getByText('active').waitFor()
  await get('/api/users/1')
  await row.getByRole('link', { name: '1 – show' }).click()
  await page.getByRole('link', { name: 'GET /api/users/1' }).click()
  await page.getByText('"12.50"').waitFor()
  t.same(await violationsOf(page), [])
  await page.getByRole('link', { name: 'Back to the capture' }).click()
  await page.getByRole('link', { name: 'Back to all exchanges' }).click()
  await row.getByRole('button', { name: 'End and delete' }).click()
  await page.getByText('No captures.').waitFor()
})
