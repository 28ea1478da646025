import t from 'tap'
import { configOf, startServer } from '../cluster/rig.ts'
import { violationsOf } from './axe.ts'
import { openDashboard } from './watched-browser.ts'

const DRAIN = 'drain: { timeout: 1_000, idle: 200 },'

t.test('a reload is asked for twice, and a failed one shows its reason', async t => {
  const server = await startServer(t, { config: configOf(1, DRAIN), workers: 2 })
  const page = await openDashboard(t, server.admin)
  await page.goto(`${server.admin}/#/deploys`)
  const workers = page.getByRole('table', { name: 'Workers', exact: true })
  await workers.getByText('ready').first().waitFor()
  t.equal(await workers.getByRole('row').count(), 3, 'the head and two workers')

  server.write(configOf(2, DRAIN))
  await page.getByRole('button', { name: 'Reload the config' }).press('Enter')
  const dialog = page.getByRole('dialog')
  t.same(await violationsOf(page), [])
  t.equal((await server.status()).generation, 1, 'nothing is reloaded before the confirmation')
  await dialog.getByRole('button', { name: 'Confirm: reload' }).press('Enter')
  await page.getByText('The config was reloaded.').waitFor()
  const reloads = page.getByRole('table', { name: 'Reloads' })
  await reloads.getByText('gateway.config.ts').waitFor()
  await reloads.getByText('scopes.api.routes').waitFor()

  page.expectError(/409/)
  server.write("throw new Error('<b>broken</b>')")
  await page.getByRole('button', { name: 'Reload the config' }).click()
  await dialog.getByRole('button', { name: 'Confirm: reload' }).click()
  await dialog.getByText('<b>broken</b>').waitFor()
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  await reloads.getByText('<b>broken</b>').waitFor()
  t.same(await violationsOf(page), [])
})

t.test('a crashed worker is shown while the page is watched', async t => {
  const server = await startServer(t, { config: configOf(1, DRAIN), workers: 1 })
  const page = await openDashboard(t, server.admin)
  await page.goto(`${server.admin}/#/deploys`)
  await page.getByRole('heading', { name: 'Crashes of workers' }).waitFor()
  process.kill((await server.status()).workers[0]?.pid as number, 'SIGKILL')
  await page.getByText('signal SIGKILL').waitFor()
})
