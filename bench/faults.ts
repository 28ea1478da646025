import { type Cell, DEADLINE, runCells, type Setup } from './faults/cells.ts'
import { WAYS } from './faults/client.ts'
import { FAULTS } from './faults/faults.ts'
import { writeBetween } from './faults/page.ts'

/**
 * Every fault that a service may have, in every way in which its answer reaches a client, before a gateway process:
 * `npm run bench:faults`. Writes bench/results/faults.md, and fails if anything is not as it must be.
 */
const names = FAULTS.map(({ name }) => name)
let wrong = 0
for (const setup of ['one', 'three'] satisfies Setup[]) {
  const cells = await runCells(setup, names, WAYS)
  for (const { fault, way, wrong: what, ...cell } of cells.filter(({ wrong }) => wrong.length > 0)) {
    wrong++
    console.log(`${setup}, ${fault}, ${way}: ${what.join('; ')} ${JSON.stringify(cell)}`)
  }
  const table = tableOf(cells)
  console.log(`${table}\n`)
  writeBetween(`table of ${setup}`, table)
}
console.log(wrong === 0 ? `ok, within a deadline of ${DEADLINE} ms` : `${wrong} are wrong`)
process.exit(wrong === 0 ? 0 : 1)

function tableOf(cells: Cell[]): string {
  const head = ['fault', 'forwarded', 'streamed', 'an optional part', 'a required part', 'an upload']
  const rows = names.map(name => [
    name,
    ...WAYS.map(way => text(cells.find(each => each.fault === name && each.way === way) as Cell))
  ])
  return [head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')
}

function text({ status, ms, calls, breaker, service, client, wrong }: Cell): string {
  const seen = [
    `${status}`,
    `${roughly(ms)} ms`,
    `${calls}`,
    breaker === 'success' ? '+' : breaker === 'failure' ? '-' : '0'
  ]
  const left = `${service.idle}/${client.idle}`
  return `${seen.join(' ')} ${left}${wrong.length > 0 ? ` **${wrong.join('; ')}**` : ''}`
}

/** What is below is the machine's. */
function roughly(ms: number): string {
  return ms < 50 ? '<50' : String(Math.round(ms / 50) * 50)
}
