import t from 'tap'
import { violationsOf } from './axe.ts'
import { startStage } from './stage.ts'
import { openDashboard } from './watched-browser.ts'

t.test('versions show who still calls them, and when they end', async t => {
  const { server, get } = await startStage(t)
  await get('/api/v1/orders/1', 'legacy-app')
  const page = await openDashboard(t, server.admin)
  await page.goto(`${server.admin}/#/versions`)
  const row = page
    .getByRole('table', { name: 'Versions', exact: true })
    .getByRole('row', { name: 'orders v1' })
  await row.getByText('deprecated').waitFor()
  await row.getByText(/in (199|200) d/).waitFor()
  await row.getByRole('cell', { name: 'v2', exact: true }).waitFor()
  const consumers = page.getByRole('table', { name: 'Consumers of orders v1' })
  await consumers.getByRole('row', { name: 'legacy-app' }).waitFor()
  t.same(await violationsOf(page), [])

  await get('/api/v1/orders/2', 'old-<b>app</b>')
  await consumers.getByText('old-<b>app</b>').waitFor()
  await consumers.getByRole('link', { name: 'legacy-app' }).click()
  t.equal(await page.getByLabel('Consumer').inputValue(), 'legacy-app')
})
