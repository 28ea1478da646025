import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { violationsOf } from '../dashboard/axe.ts'
import { openWatched, PHONE } from '../dashboard/watched-browser.ts'
import { BASE, startSite } from './built-site.ts'

/** The browser fails on requests to other hosts and on errors in the console. */

const site = await startSite(t)
const dist = join(import.meta.dirname, '../../site/.vitepress/dist')

t.test('search finds a page by its text and opens it', async t => {
  const page = await openWatched(t, site)
  await page.getByRole('button', { name: 'Search' }).click()
  await page.getByRole('searchbox').fill('sliding window')
  await page
    .getByRole('option', { name: /Limit requests/ })
    .first()
    .click()
  await page.getByRole('heading', { name: 'Limit requests', level: 1 }).waitFor()
  t.match(page.url(), /\/sluice\/limit\.html/)
})

for (const colorScheme of ['light', 'dark'] as const) {
  t.test(`home page and diagram are accessible and fit a phone, ${colorScheme}`, async t => {
    const page = await openWatched(t, site, { viewport: PHONE, colorScheme })
    for (const path of ['', 'route.html']) {
      await page.goto(site + path, { waitUntil: 'networkidle' })
      t.same(await violationsOf(page, ['serious', 'critical']), [], path)
      t.equal(await page.evaluate('document.documentElement.scrollWidth'), PHONE.width, `${path} fits`)
    }
  })
}

t.test('each diagram is drawn with its text', async t => {
  const page = await openWatched(t, site)
  const diagrams = { route: 'limit by consumer: 429', deploy: 'share them for a second', limit: 'permit in' }
  for (const [name, text] of Object.entries(diagrams)) {
    await page.goto(`${site}${name}.html`)
    const diagram = page.locator('figure.diagram svg')
    t.match(await diagram.textContent(), text, name)
    const { width = 0, height = 0 } = (await diagram.boundingBox()) ?? {}
    t.ok(width > 300 && height > 300, `${name}: ${width} × ${height}`)
  }
})

t.test('a path without a page gets the page for that', async t => {
  const page = await openWatched(t, site)
  page.expectError(/404/)
  await page.goto(`${site}no-such-page.html`)
  await page.getByText('There is no such page').waitFor()
  await page.getByRole('link', { name: 'home' }).last().click()
  await page.getByText('An API gateway for Node teams').waitFor()
})

t.test('links to files outside docs lead to the repository', async t => {
  const html = readFileSync(join(dist, 'openapi.html'), 'utf8')
  t.notMatch(html, /href="\.\./)
})

t.test('pages have a description, and the site map has their URLs', async t => {
  t.match(
    readFileSync(join(dist, 'limit.html'), 'utf8'),
    '<meta name="description" content="Limits how often'
  )
  t.match(readFileSync(join(dist, 'sitemap.xml'), 'utf8'), `https://example.com${BASE}limit.html`)
})
