import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { compareDocuments } from '../../openapi/diff/compare-documents.ts'
import { createDocument } from '../../openapi/parsed-document.ts'
import { DIFFERENCES, UNTESTED } from './oasdiff-differences.ts'
import { allPairs } from './pairs.ts'

/** Compares the verdicts with those of oasdiff, which record-oasdiff.ts has recorded. */

const recorded: { pairs: Record<string, string>; checks: string } = JSON.parse(
  readFileSync(join(import.meta.dirname, 'oasdiff.json'), 'utf8')
)
const LEVELS = ['compatible', 'warning', 'breaking'] as const
const NOW = Date.parse('2026-11-30')

t.test('every verdict is that of oasdiff, or the difference is explained', async t => {
  const unused = new Set(DIFFERENCES)
  const unexplained: string[] = []
  let equal = 0
  for (const { name, old, now } of allPairs()) {
    const changes = compareDocuments(createDocument(old, 'old'), createDocument(now, 'new'), NOW)
    const level = LEVELS[Math.max(0, ...changes.map(change => LEVELS.indexOf(change.level)))]
    const [verdict, ...checks] = recorded.pairs[name]?.split(' ') ?? []
    if (level === verdict) {
      equal++
      continue
    }
    const difference = DIFFERENCES.find(([pattern]) => pattern.test(name))
    if (difference === undefined)
      unexplained.push(`${name}: ${level} ${changes.map(({ rule }) => rule)}, oasdiff: ${verdict} ${checks}`)
    else unused.delete(difference)
  }
  t.same(unexplained, [])
  t.same([...unused], [])
  t.ok(equal > 1000, `${equal} equal verdicts`)
})

t.test('the pairs are those that were recorded', async t => {
  t.same(
    allPairs().map(({ name }) => name),
    Object.keys(recorded.pairs)
  )
})

t.test('a pair makes each check of oasdiff fire, or the exception is explained', async t => {
  const fired = new Set(Object.values(recorded.pairs).flatMap(verdict => verdict.split(' ').slice(1)))
  const checks = recorded.checks.split(' ')
  t.ok(checks.length > 700)
  const missing = checks.filter(
    check => !fired.has(check) && !UNTESTED.some(([pattern]) => pattern.test(check))
  )
  t.same(missing, [])
})
