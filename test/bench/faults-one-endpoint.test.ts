import t from 'tap'
import { runCases } from '../../bench/faults/cases.ts'
import { DELIVERIES } from '../../bench/faults/client.ts'

// `npm run bench:faults` runs all faults.
const FAULTS = [
  'none',
  'refuse',
  'reset after the request',
  'hang',
  'truncate',
  'garbage after the response'
] as const

t.test(
  'a faulty service gives the client an error in time, counts once and leaves no connection in use',
  async t => {
    const results = await runCases('one', FAULTS, DELIVERIES, 10_000)
    t.equal(results.length, FAULTS.length * DELIVERIES.length)
    for (const { fault, delivery, violations } of results)
      t.strictSame(violations, [], `${fault}, ${delivery}`)
    const statuses = FAULTS.map(fault => [
      fault,
      ...results.filter(result => result.fault === fault).map(({ status }) => status)
    ])
    t.strictSame(statuses, [
      ['none', 200, 200, 200, 200, 200],
      ['refuse', 502, 502, 200, 502, 502],
      ['reset after the request', 502, 502, 200, 502, 502],
      ['hang', 504, 504, 200, 504, 504],
      ['truncate', 502, 'aborted', 200, 502, 502],
      ['garbage after the response', 200, 200, 200, 200, 200]
    ])
  }
)
