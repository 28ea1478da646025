import t from 'tap'
import { closedPort } from '../harness.ts'
import { violationsOf } from './axe.ts'
import { startStage } from './stage.ts'
import { openDashboard } from './watched-browser.ts'

t.test('limits name who is over one, and lead to their exchanges', async t => {
  const { server, get } = await startStage(t)
  const page = await openDashboard(t, server.admin)
  await page.goto(`${server.admin}/#/limits`)
  await page.getByText('Nobody is near a limit.').waitFor()
  for (let i = 0; i < 102; i++) await get('/api/v2/orders/1', 'importer')
  const near = page.getByRole('table', { name: 'Near or over a limit' })
  const row = near.getByRole('row', { name: 'importer' })
  await row.getByText('over, rejects requests: 100 of 100 in 10 s (100 %)').waitFor()
  t.same(await violationsOf(page), [])

  await row.getByRole('link', { name: 'Exchanges of importer' }).click()
  await page.getByRole('row', { name: 'limit-reached' }).first().waitFor()
})

t.test('limits show that Redis is unavailable, and why', async t => {
  const { server, get } = await startStage(t, { REDIS: (await closedPort()).replace('http', 'redis') })
  await get('/api/v2/orders/1')
  const page = await openDashboard(t, server.admin)
  await page.getByRole('link', { name: /Limits are not counted in Redis/i }).click()
  await page.getByRole('heading', { name: 'Limits' }).waitFor()
  await page.getByText('✖ unavailable').waitFor()
  await page.getByText(/ECONNREFUSED/).waitFor()
})
