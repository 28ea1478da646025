import { parseArgs } from 'node:util'
import { writeBetween } from './faults/page.ts'
import { hang } from './scenarios/hang.ts'
import { leave } from './scenarios/leave.ts'
import { move } from './scenarios/move.ts'
import { restart } from './scenarios/restart.ts'
import { play, type Result } from './scenarios/scenario.ts'
import { storm } from './scenarios/storm.ts'

/**
 * How a gateway process bears what happens to services, under load: `npm run bench:scenarios`, or one of them by
 * `-- --only hang`. All of them write bench/results/faults.md. Fails if a promise is not kept.
 */
const scenarios = { hang, restart, storm, leave, move }
const { values } = parseArgs({ options: { only: { type: 'string' } } })
const rows: string[] = []
let short = 0
for (const [name, scenario] of Object.entries(scenarios)) {
  if (values.only !== undefined && values.only !== name) continue
  const result = await play(scenario)
  short += result.short.length
  console.log(text(name, result))
  rows.push(...result.figures.map(([what, figure], i) => `| ${i === 0 ? name : ''} | ${what} | ${figure} |`))
  rows.push(`| | | ${result.short.length === 0 ? 'ok' : `**short: ${result.short.join('; ')}**`} |`)
}
if (values.only === undefined)
  writeBetween('scenarios', ['| scenario | | |', '| --- | --- | --- |', ...rows].join('\n'))
process.exit(short === 0 ? 0 : 1)

function text(name: string, { figures, short }: Result): string {
  return [
    `${name}: ${short.length === 0 ? 'ok' : `short: ${short.join('; ')}`}`,
    ...figures.map(([what, figure]) => `  ${what}: ${figure}`)
  ].join('\n')
}
