import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { tableRows } from './page-tables.ts'

/** Checks the form of the comparison. Whether a claim is true, only its link can say. */

const page = readFileSync(join(import.meta.dirname, '../../docs/compare.md'), 'utf8')
const PRODUCTS = ['Kong', 'KrakenD', 'Traefik', 'Envoy Gateway', 'APISIX', 'Tyk', 'Zuplo', 'Platformatic']
const sections = page.split(/^(?=##+ )/m)
const topics = sections.filter(section => section.startsWith('### '))

/** Returns the rows of a section's table, without its heading and without the borders. */
function rowsOf(section: string): string[][] {
  return tableRows(section)
    .slice(2)
    .map(cells => cells.slice(1, -1))
}

t.test('each topic has Sluice and all other products, read on a date', async t => {
  t.equal(topics.length, 8)
  for (const topic of topics) {
    const [title = ''] = topic.split('\n')
    t.match(topic, /^Read on \d{4}-\d\d-\d\d\.$/m, title)
    t.same(
      rowsOf(topic).map(([product]) => product),
      ['Sluice', ...PRODUCTS],
      title
    )
  }
})

t.test('each cell has a link, or says that nothing was found or verified', async t => {
  for (const topic of topics)
    for (const [product = '', ...cells] of rowsOf(topic)) {
      t.equal(cells.length, 2, product)
      for (const cell of cells)
        t.match(cell, /\]\((https:\/\/|[\w-]+\.md)|^–$|^not verified$/, `${topic.split('\n')[0]}: ${product}`)
    }
})

t.test('other tables have all products, too', async t => {
  for (const title of ['When to choose which', 'Editions and prices', 'Sources']) {
    const section = sections.find(section => section.startsWith(`## ${title}\n`)) ?? ''
    const products = rowsOf(section).map(([product]) => product)
    t.same(
      products.filter(product => product !== 'Sluice'),
      PRODUCTS,
      title
    )
  }
})

t.test('each link to another site is complete', async t => {
  const links = [...page.matchAll(/\]\((https?:[^)]*)\)/g)].map(([, link = '']) => link)
  t.ok(links.length > 100, `${links.length} links`)
  for (const link of links) t.ok(URL.parse(link)?.protocol === 'https:' && !/\s/.test(link), link)
})
