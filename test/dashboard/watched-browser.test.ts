import t from 'tap'
import { configOf, startServer } from '../cluster/rig.ts'
import { violationsOf } from './axe.ts'
import { openDashboard } from './watched-browser.ts'

t.test('a request off the listener, a violation of the policy and an error each fail a test', async t => {
  const { admin } = await startServer(t, { config: configOf(1), workers: 1 })
  const faults = [
    [`fetch('http://127.0.0.1:9/').catch(() => {})`, /Content Security Policy/],
    [`document.body.innerHTML = '<b>x</b>'`, /TrustedHTML/],
    [`setTimeout(() => { throw new Error('thrown') })`, /thrown/],
    [`console.error('logged')`, /logged/],
    [`location.href = 'http://127.0.0.1:9/'`, /request off the listener: http:\/\/127\.0\.0\.1:9/]
  ] as const
  for (const [script, expected] of faults) {
    let end = async () => {}
    const ending = {
      teardown(last: () => Promise<void>) {
        end = last
      }
    }
    const page = await openDashboard(ending as never, admin)
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    const noted = Promise.any([
      page.waitForEvent('console'),
      page.waitForEvent('pageerror'),
      page.waitForEvent('request', request => !request.url().startsWith(admin))
    ])
    await page.evaluate(script).catch(() => {})
    await noted
    await t.rejects(end(), expected, script)
  }
})

t.test('axe finds a control without a name', async t => {
  const { admin } = await startServer(t, { config: configOf(1), workers: 1 })
  const page = await openDashboard(t, admin)
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  await page.evaluate(`document.querySelector('main').append(document.createElement('button'))`)
  t.match(await violationsOf(page), [/button-name/])
})
