import { parseArgs } from 'node:util'
import { writeSection } from './faults/report-file.ts'
import { disconnect } from './scenarios/disconnect.ts'
import { dnsChange } from './scenarios/dns-change.ts'
import { hang } from './scenarios/hang.ts'
import { restart } from './scenarios/restart.ts'
import { runScenario, type ScenarioResult } from './scenarios/scenario.ts'
import { storm } from './scenarios/storm.ts'

/**
 * Runs faults of services and clients under load against a gateway process: `npm run bench:scenarios`, or
 * `-- --only hang` for one. A run of all scenarios writes bench/results/faults.md. Fails if an expectation is not met.
 */
const scenarios = { hang, restart, storm, disconnect, 'dns-change': dnsChange }
const { values } = parseArgs({ options: { only: { type: 'string' } } })
const rows: string[] = []
let failed = 0
for (const [name, scenario] of Object.entries(scenarios)) {
  if (values.only !== undefined && values.only !== name) continue
  const result = await runScenario(scenario)
  failed += result.violations.length
  console.log(describe(name, result))
  rows.push(...result.figures.map(([what, figure], i) => `| ${i === 0 ? name : ''} | ${what} | ${figure} |`))
  const verdict = result.violations.length === 0 ? 'ok' : `**failed: ${result.violations.join('; ')}**`
  rows.push(`| | | ${verdict} |`)
}
if (values.only === undefined)
  writeSection('scenarios', ['| scenario | measured | result |', '| --- | --- | --- |', ...rows].join('\n'))
process.exit(failed === 0 ? 0 : 1)

function describe(name: string, { figures, violations }: ScenarioResult): string {
  return [
    `${name}: ${violations.length === 0 ? 'ok' : `failed: ${violations.join('; ')}`}`,
    ...figures.map(([what, figure]) => `  ${what}: ${figure}`)
  ].join('\n')
}
