import t from 'tap'
import { call } from '../harness.ts'
import { until } from '../until.ts'
import { violationsOf } from './axe.ts'
import { startStage } from './stage.ts'
import { DESKTOP, openDashboard, PHONE } from './watched-browser.ts'

const TOKEN = 'a-token-of-the-admins'

t.test('an operator drains an endpoint by keyboard, asked twice, and ends that', async t => {
  const { server, orders, get } = await startStage(t, { ADMIN_TOKEN: TOKEN })
  const page = await openDashboard(t, server.admin)
  await page.goto(`${server.admin}/#/upstreams`)
  await page.getByLabel('Admin token').fill(TOKEN)
  await page.getByLabel('Your name').fill('Ann')
  await page.keyboard.press('Enter')

  const drain = page.getByRole('button', { name: `Drain or eject ${orders.url}` })
  await drain.focus()
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog')
  for (const viewport of [PHONE, DESKTOP]) {
    await page.setViewportSize(viewport)
    const box = await dialog.getByRole('radio', { name: /^Drain/ }).boundingBox()
    t.ok((box?.width ?? 100) < 30, `the text is beside the radio button at ${viewport.width} px`)
  }
  await dialog.getByRole('radio', { name: /^Drain/ }).focus()
  await page.keyboard.press('Space')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  await page.keyboard.type('deploy of orders')
  await page.keyboard.press('Enter')
  t.equal(await dialog.getByRole('button', { name: /^Confirm/ }).count(), 0, 'a time must be given')
  await dialog.getByLabel('Ends after').selectOption('15 min')
  await dialog.getByRole('button', { name: 'Next' }).press('Enter')
  await dialog.getByText(`drain ${orders.url} of orders`).waitFor()
  await dialog.getByText('Reason: deploy of orders').waitFor()
  t.same(await violationsOf(page), [])
  const headers = { authorization: `Bearer ${TOKEN}` }
  t.same(
    (await call(`${server.admin}/actions`, { headers })).json,
    [],
    'nothing is sent before the confirmation'
  )

  await dialog.getByRole('button', { name: 'Confirm: drain' }).press('Enter')
  await page.getByText(`Done: drain ${orders.url}`).waitFor()
  const row = page.getByRole('row', { name: orders.url })
  await row.getByText(/“drain” by Ann .*reason: deploy of orders/).waitFor()
  t.match((await call(`${server.admin}/actions`, { headers })).json, [{ action: 'drain', by: 'Ann' }])
  const { length } = await served(orders, () => get('/api/v2/orders/1'))
  t.equal(length, 0, 'the endpoint gets no calls')

  await row.getByRole('button', { name: `End drain of ${orders.url}` }).click()
  await dialog.getByText(`drain ${orders.url} of orders`).waitFor()
  await dialog.getByText('Ann').waitFor()
  await dialog.getByText('deploy of orders').waitFor()
  t.same(await violationsOf(page), [])
  await dialog.getByRole('button', { name: 'Confirm: end' }).click()
  await row.getByText('“drain” by Ann').waitFor({ state: 'detached' })
  await until(() => server.output().includes('deploy of orders'))
})

/** Returns the paths of requests to a service during five calls. */
async function served(
  service: { behave(listener: (request: any, response: any) => void): void },
  ask: () => Promise<unknown>
): Promise<string[]> {
  const paths: string[] = []
  service.behave((request, response) => {
    paths.push(request.url)
    response.end('{}')
  })
  for (let i = 0; i < 5; i++) await ask()
  return paths
}

t.test('a slow endpoint is named, and a breaker held open by an operator is a problem', async t => {
  const { server, orders, get } = await startStage(t)
  orders.behave((_request, response) => void setTimeout(() => response.end('{}'), 400))
  const page = await openDashboard(t, server.admin)
  await page.goto(`${server.admin}/#/upstreams`)
  await until(async () => {
    await get('/api/v2/orders/1')
    return (await page.getByText(/slow: [\d.]+ ms, its peers/).count()) > 0
  })

  await page.getByRole('button', { name: 'Open or reset the breaker of users' }).click()
  await page.getByRole('radio', { name: /^Open/ }).check()
  await page.getByLabel('Ends after').selectOption('5 min')
  await page.getByRole('button', { name: 'Next' }).click()
  await page.getByRole('button', { name: 'Confirm: open' }).click()
  await page
    .getByRole('region', { name: 'users' })
    .getByText('“open” by an operator without a name')
    .waitFor()
  await page.getByRole('link', { name: /^Overview/ }).click()
  await page.getByRole('heading', { name: 'Wrong now' }).waitFor()
  await page.getByRole('listitem').filter({ hasText: 'users' }).first().waitFor()
})
