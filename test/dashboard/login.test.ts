import t from 'tap'
import { configOf, startServer } from '../cluster/rig.ts'
import type { Ending } from '../harness.ts'
import { violationsOf } from './axe.ts'
import { openDashboard } from './watched-browser.ts'

const TOKEN = 'a-token-of-the-admins'
const CONFIG = configOf(1).replace('admin: {', 'admin: { token: process.env.ADMIN_TOKEN,')

const start = (t: Ending) => startServer(t, { config: CONFIG, workers: 1, env: { ADMIN_TOKEN: TOKEN } })

t.test('an operator logs in by keyboard, and out', async t => {
  const { admin } = await start(t)
  const page = await openDashboard(t, admin)
  await page.getByLabel('Admin token').waitFor()
  t.same(await violationsOf(page), [])

  await page.keyboard.press('Tab')
  await page.keyboard.type(TOKEN)
  await page.keyboard.press('Tab')
  await page.keyboard.type('Ann')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  const [cookie] = await page.context().cookies()
  t.match(cookie, { httpOnly: true, sameSite: 'Strict' })
  t.notMatch(await page.evaluate('document.cookie'), /./, 'scripts cannot read the session')

  await page.reload()
  await page.getByRole('button', { name: 'Log out Ann' }).click()
  await page.getByLabel('Admin token').waitFor()
  t.same(await page.context().cookies(), [])
})

t.test('a wrong token is rejected with a message', async t => {
  const { admin } = await start(t)
  const page = await openDashboard(t, admin)
  page.expectError(/status of 401/)
  await page.getByLabel('Admin token').fill('not-the-token-of-admins')
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('alert').getByText('This is not the admin token').waitFor()
  t.same(await violationsOf(page), [])
})

t.test('an expired session leads to the login page, then back to the same page', async t => {
  const { admin } = await start(t)
  const page = await openDashboard(t, admin)
  page.expectError(/status of 401/)
  await page.goto(`${admin}/#/limits`)
  await page.getByLabel('Admin token').fill(TOKEN)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('heading', { name: 'Limits' }).waitFor()

  await page.context().clearCookies()
  await page.getByRole('link', { name: 'Upstreams' }).click()
  await page.getByText('The session has expired').waitFor()
  await page.getByLabel('Admin token').fill(TOKEN)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('heading', { name: 'Upstreams' }).waitFor()
})

t.test('without a token the dashboard opens at once, on loopback', async t => {
  const { admin } = await startServer(t, { config: configOf(1), workers: 1 })
  const page = await openDashboard(t, admin)
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  t.equal(await page.getByRole('button', { name: /Log out/ }).count(), 0)
})
