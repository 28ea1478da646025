import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, platform } from 'node:os'
import { parseArgs } from 'node:util'
import { measure } from './measure.ts'
import { toChart, toRows } from './report.ts'

/**
 * Measures all subjects and every installed peer: `npm run bench`. Prints a table and writes bench/results/ (JSON and a
 * chart) unless `--only` selects subjects.
 *
 * Options: `-- --only 'floor|plain'` (a pattern), `--rounds 7`, `--seconds 2`, `--connections 64`.
 */
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    connections: { type: 'string', default: '64' }
  }
})
const results = await measure({
  rounds: Number(values.rounds),
  seconds: Number(values.seconds),
  connections: Number(values.connections),
  isSelected: name => new RegExp(values.only).test(name),
  peers: true,
  onProgress: text => console.error(text)
})
const rows = toRows(results)
console.table(Object.fromEntries(rows.map(({ subject, ...row }) => [subject, row])))

if (values.only === '') {
  const directory = new URL('results/', import.meta.url)
  const machine = {
    date: new Date().toISOString(),
    node: process.version,
    system: platform(),
    cores: availableParallelism(),
    cpu: cpus()[0]?.model
  }
  mkdirSync(directory, { recursive: true })
  writeFileSync(
    new URL('results.json', directory),
    `${JSON.stringify({ machine, rounds: values.rounds, rows, results }, null, 1)}\n`
  )
  writeFileSync(new URL('cpu.svg', directory), toChart(results))
}
process.exit(0)
