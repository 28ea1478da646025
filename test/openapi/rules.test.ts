import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { OPERATION_RULES, SCHEMA_RULES } from '../../openapi/diff/rules.ts'
import { tableRows } from '../docs/page-tables.ts'

/** Compares the rules with the tables of docs/breaking-changes.md. */

const rows = tableRows(readFileSync(join(import.meta.dirname, '../../docs/breaking-changes.md'), 'utf8')).map(
  ([, name = '', ...cells]) => [name.replaceAll('`', ''), ...cells] as string[]
)
const LEVELS = /^(breaking|warning|compatible)$/

t.test('the page has every rule of schemas with its level in each place, and no other', async t => {
  const listed = rows.filter(([, request = '', response = '', problem = '']) =>
    [request, response, problem].every(cell => LEVELS.test(cell))
  )
  t.same(
    listed.map(cells => cells.slice(0, 4)),
    Object.entries(SCHEMA_RULES).map(([name, { request, response, problem }]) => [
      name,
      ...[request, response, problem].map(({ level }) => level)
    ])
  )
})

t.test('the page has every rule of operations with its level, and no other', async t => {
  const listed = rows.filter(([, level = '', why = '']) => LEVELS.test(level) && !LEVELS.test(why))
  t.same(
    listed.map(([name, level, why]) => [name, level, why]),
    Object.entries(OPERATION_RULES).map(([name, rule]) => [name, rule.level, 'why' in rule ? rule.why : '–'])
  )
})
