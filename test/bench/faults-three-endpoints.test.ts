import t from 'tap'
import { runCases } from '../../bench/faults/cases.ts'
import { DELIVERIES } from '../../bench/faults/client.ts'

const FAULTS = [
  'refuse',
  'full backlog',
  'hang',
  'truncate, chunked',
  'FIN before the response',
  '503 with 200 KiB'
] as const

t.test('a call that fails at one endpoint is retried at another if that is safe', async t => {
  const results = await runCases('three', FAULTS, DELIVERIES, 10_000)
  t.equal(results.length, FAULTS.length * DELIVERIES.length)
  for (const { fault, delivery, violations } of results) t.strictSame(violations, [], `${fault}, ${delivery}`)
  const statuses = FAULTS.map(fault => [
    fault,
    ...results.filter(result => result.fault === fault).map(({ status }) => status)
  ])
  t.strictSame(statuses, [
    ['refuse', 200, 200, 200, 200, 200],
    ['full backlog', 200, 200, 200, 200, 200],
    ['hang', 200, 200, 200, 200, 504],
    ['truncate, chunked', 'aborted', 'aborted', 200, 200, 'aborted'],
    ['FIN before the response', 200, 200, 200, 200, 502],
    ['503 with 200 KiB', 200, 200, 200, 200, 503]
  ])
})
