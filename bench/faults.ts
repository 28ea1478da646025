import { DEADLINE, type FaultResult, runCases, type Topology } from './faults/cases.ts'
import { DELIVERIES } from './faults/client.ts'
import { FAULTS } from './faults/faults.ts'
import { writeSection } from './faults/report-file.ts'

/**
 * Runs every fault of a service with every kind of delivery: `npm run bench:faults`. Writes bench/results/faults.md, and
 * fails if the gateway breaks a rule (see `violationsOf` in faults/cases.ts).
 */
const names = FAULTS.map(({ name }) => name)
let failed = 0
for (const topology of ['one', 'three'] satisfies Topology[]) {
  const results = await runCases(topology, names, DELIVERIES)
  for (const { fault, delivery, violations, ...result } of results) {
    if (violations.length === 0) continue
    failed++
    console.log(`${topology}, ${fault}, ${delivery}: ${violations.join('; ')} ${JSON.stringify(result)}`)
  }
  const table = toTable(results)
  console.log(`${table}\n`)
  writeSection(topology === 'one' ? 'one endpoint' : 'three endpoints', table)
}
console.log(failed === 0 ? `ok, with a deadline of ${DEADLINE} ms` : `${failed} failed`)
process.exit(failed === 0 ? 0 : 1)

function toTable(results: FaultResult[]): string {
  const header = ['fault', 'forwarded', 'streamed', 'optional part', 'required part', 'upload']
  const rows = names.map(name => [
    name,
    ...DELIVERIES.map(delivery =>
      toCell(results.find(each => each.fault === name && each.delivery === delivery) as FaultResult)
    )
  ])
  return [header, header.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')
}

function toCell({ status, ms, calls, breaker, upstreamSide, clientSide, violations }: FaultResult): string {
  const counted = breaker === 'success' ? '+' : breaker === 'failure' ? '-' : '0'
  const left = `${upstreamSide.idle}/${clientSide.idle}`
  const violated = violations.length > 0 ? ` **${violations.join('; ')}**` : ''
  return `${status} ${roundTime(ms)} ms ${calls} ${counted} ${left}${violated}`
}

/** Hides differences below 50 ms, which depend on the machine. */
function roundTime(ms: number): string {
  return ms < 50 ? '<50' : String(Math.round(ms / 50) * 50)
}
