import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { parseBlocks } from '../docs/parse-page.ts'
import { chart, renderChart } from './helm.ts'

/** docs/kubernetes.md beside the chart. */

const page = readFileSync(join(chart, '../../docs/kubernetes.md'), 'utf8')
const blocks = parseBlocks(page)

t.test('the values of the page render', t => {
  const values = blocks.filter(({ file }) => file === 'values.yaml').map(({ code }) => parse(code))
  t.equal(values.length, 1)
  for (const { error, lint } of renderChart(values)) t.strictSame({ error, lint }, { error: '', lint: [] })
  t.end()
})

t.test('the faults of the page are those of the chart', t => {
  const [, shown] = /gracePeriod=15\n([\s\S]+?)```/.exec(page) ?? []
  const [rendered] = renderChart([{ termination: { gracePeriod: 15 } }])
  t.match(rendered?.error, String(shown).trim())
  t.end()
})

t.test('the page names every value, and no other', t => {
  const table = /## Options\n([\s\S]*?)\n## /.exec(page)?.[1] ?? ''
  const named = [...table.matchAll(/^\| (.+?) +\|/gm)].flatMap(([, cell = '']) => {
    const names = [...cell.matchAll(/`([\w.]+)`/g)].map(([, name = '']) => name)
    const parent = names[0]?.replace(/\.\w+$/, '')
    return names.map(name => (name.startsWith('.') ? parent + name : name))
  })
  const known = pathsOf(parse(readFileSync(join(chart, 'values.yaml'), 'utf8')))
  t.strictSame(
    named
      .map(name => name.replace(/^secrets\.NAME\.\w+$/, 'secrets'))
      .filter(isFirst)
      .sort(),
    known.sort()
  )
  t.end()
})

t.test('defaults of the page are those of values.yaml', t => {
  const values = parse(readFileSync(join(chart, 'values.yaml'), 'utf8'))
  const shown: [string, unknown[]][] = [
    ['`replicas`', [values.replicas]],
    ['`workers`', [values.workers]],
    ['`autoscaling.enabled`', Object.values(values.autoscaling)],
    ['`termination.preStop`', [values.termination.preStop]],
    ['`termination.drainDelay`', [values.termination.drainDelay, values.termination.drainTimeout]],
    ['`topologySpread.enabled`', Object.values(values.topologySpread)],
    ['`disruptionBudget.enabled`', Object.values(values.disruptionBudget)]
  ]
  for (const [option, defaults] of shown) {
    const row = page.split('\n').find(line => line.startsWith(`| ${option}`))
    t.equal(row?.split('|')[2]?.replaceAll('`', '').trim(), defaults.join(', '), option)
  }
  t.end()
})

/** Returns the paths of all leaves; maps that are empty by default are leaves. */
function pathsOf(values: object, prefix = ''): string[] {
  return Object.entries(values).flatMap(([name, value]) =>
    value === null || typeof value !== 'object' || Array.isArray(value) || Object.keys(value).length === 0
      ? [prefix + name]
      : pathsOf(value, `${prefix}${name}.`)
  )
}

function isFirst(name: string, index: number, all: string[]): boolean {
  return all.indexOf(name) === index
}
