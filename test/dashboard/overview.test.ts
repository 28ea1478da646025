import t from 'tap'
import { until } from '../until.ts'
import { startStage } from './stage.ts'
import { openDashboard } from './watched-browser.ts'

t.test('the overview shows an error that occurs while it is watched, and leads to it', async t => {
  const { server, users, get } = await startStage(t)
  t.equal((await get('/api/users/1')).status, 200)
  const page = await openDashboard(t, server.admin)
  await page.getByText('No problem found').waitFor()
  t.equal(await page.title(), 'Overview – Sluice')

  await users.stop()
  await until(async () => (await get('/api/users/1')).status === 503)
  const problem = page.getByRole('link', { name: 'breaker of upstream "users" is open' })
  await problem.waitFor()
  await until(async () => (await page.title()) === '(1) Overview – Sluice')

  await problem.click()
  await page.getByRole('heading', { name: 'Upstreams' }).waitFor()
  const section = page.getByRole('region', { name: 'users' })
  await section.getByText('✖ open').first().waitFor()

  await users.start()
  await section.getByRole('button', { name: /reset the breaker/ }).waitFor()
})

t.test('rates of each scope lead to its exchanges and routes', async t => {
  const { server, get } = await startStage(t)
  const page = await openDashboard(t, server.admin)
  const row = page.getByRole('row', { name: /^orders/ })
  await until(async () => {
    await get('/api/v2/orders/1')
    return (await row.count()) === 1 && /\d\/s/.test((await row.textContent()) ?? '')
  })
  await page
    .getByRole('figure')
    .first()
    .getByText(/now [\d.]+\/s, highest/)
    .waitFor()

  await row.getByRole('link', { name: 'Routes of orders' }).click()
  await page.getByRole('heading', { name: 'Scopes and routes' }).waitFor()
  t.equal(await page.getByLabel('Scope').inputValue(), 'orders')
  const route = page.getByRole('row', { name: /^GET \/api\/v2\/orders\/:id orders/ })
  await route.getByRole('link', { name: /^[\d.]+\/s$/ }).waitFor()
})

t.test(
  'a route without versions has live rates, and routes that are loaded once do not become old',
  async t => {
    const { server, get } = await startStage(t)
    const page = await openDashboard(t, server.admin)
    await page.clock.install()
    await page.goto(`${server.admin}/#/scopes`)
    await page.reload()
    const route = page.getByRole('row', { name: 'GET /api/users/:id' })
    await route.getByRole('link', { name: 'no calls' }).waitFor()
    await until(async () => {
      await get('/api/users/1')
      return (await route.getByRole('link', { name: /^(?!0\/s)[\d.]+\/s$/ }).count()) === 1
    })
    await page.clock.fastForward(60_000)
    await page.evaluate('new Promise(requestAnimationFrame)')
    await page.getByText('Old data').waitFor({ state: 'detached' })
  }
)

t.test('a lost connection is shown, and that it is back', async t => {
  const { server } = await startStage(t)
  const page = await openDashboard(t, server.admin)
  page.expectError(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE/)
  await page.getByText('No problem found').waitFor()
  process.kill((await server.status()).pid, 'SIGSTOP')
  await page.getByText('Old data').first().waitFor()
  process.kill(server.child.pid as number, 'SIGCONT')
  await page.getByText('Old data').first().waitFor({ state: 'detached' })
})
