import t from 'tap'
import { runCells } from '../../bench/faults/cells.ts'
import { WAYS } from '../../bench/faults/client.ts'

// `npm run bench:faults` has all of them.
const FAULTS = [
  'none',
  'refuse',
  'reset after the request',
  'hang',
  'truncate',
  'garbage after the answer'
] as const

t.test(
  'a service that fails is told to the client in time, charged once, and nothing of it is left',
  async t => {
    const cells = await runCells('one', FAULTS, WAYS, 10_000)
    t.equal(cells.length, FAULTS.length * WAYS.length)
    for (const { fault, way, wrong } of cells) t.strictSame(wrong, [], `${fault}, ${way}`)
    const statuses = FAULTS.map(fault => [
      fault,
      ...cells.filter(cell => cell.fault === fault).map(({ status }) => status)
    ])
    t.strictSame(statuses, [
      ['none', 200, 200, 200, 200, 200],
      ['refuse', 502, 502, 200, 502, 502],
      ['reset after the request', 502, 502, 200, 502, 502],
      ['hang', 504, 504, 200, 504, 504],
      ['truncate', 502, 'cut', 200, 502, 502],
      ['garbage after the answer', 200, 200, 200, 200, 200]
    ])
  }
)
