import t from 'tap'
import { runCells } from '../../bench/faults/cells.ts'
import { WAYS } from '../../bench/faults/client.ts'

const FAULTS = [
  'refuse',
  'full backlog',
  'hang',
  'truncate, chunked',
  'FIN before the answer',
  '503 with 200 KiB'
] as const

t.test('what one endpoint fails at another one does, if it may be done again', async t => {
  const cells = await runCells('three', FAULTS, WAYS, 10_000)
  t.equal(cells.length, FAULTS.length * WAYS.length)
  for (const { fault, way, wrong } of cells) t.strictSame(wrong, [], `${fault}, ${way}`)
  const statuses = FAULTS.map(fault => [
    fault,
    ...cells.filter(cell => cell.fault === fault).map(({ status }) => status)
  ])
  t.strictSame(statuses, [
    ['refuse', 200, 200, 200, 200, 200],
    ['full backlog', 200, 200, 200, 200, 200],
    ['hang', 200, 200, 200, 200, 504],
    ['truncate, chunked', 'cut', 'cut', 200, 200, 'cut'],
    ['FIN before the answer', 200, 200, 200, 200, 502],
    ['503 with 200 KiB', 200, 200, 200, 200, 503]
  ])
})
