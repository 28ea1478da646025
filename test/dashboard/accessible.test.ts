import t from 'tap'
import { violationsOf } from './axe.ts'
import { startStage } from './stage.ts'
import { DESKTOP, openDashboard, PHONE } from './watched-browser.ts'

const PAGES = ['Overview', 'Scopes and routes', 'Upstreams', 'Limits', 'Exchanges', 'Versions', 'Deploys']

t.test('axe finds nothing on any page, light and dark, on a desktop and on a phone', async t => {
  const { server, users, get } = await startStage(t)
  await users.stop()
  for (let i = 0; i < 5; i++) await get(`/api/users/${'long-'.repeat(18)}${i}`)
  for (const colorScheme of ['light', 'dark'] as const)
    for (const viewport of [DESKTOP, PHONE]) {
      const page = await openDashboard(t, server.admin, { colorScheme, viewport })
      for (const name of PAGES) {
        await page.getByRole('navigation').getByRole('link', { name }).click()
        await page.getByRole('heading', { name, level: 1 }).waitFor()
        await page.getByRole('table').first().waitFor()
        t.same(await violationsOf(page), [], `${name}, ${colorScheme}, ${viewport.width} px`)
        const overflow = Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'))
        t.ok(overflow <= 0, `${name} is ${overflow} px wider than ${viewport.width} px`)
      }
    }
})

t.test('every page is reached by keyboard', async t => {
  const { server } = await startStage(t)
  const page = await openDashboard(t, server.admin)
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  await page.keyboard.press('Tab')
  t.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to content')
  await page.keyboard.press('Enter')
  t.equal(await page.evaluate('document.activeElement.id'), 'main')
  await page.reload()
  await page.getByRole('navigation').waitFor()
  await page.keyboard.press('Tab')
  for (const name of PAGES) {
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name, level: 1 }).waitFor()
  }
})
