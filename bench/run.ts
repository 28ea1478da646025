import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, platform } from 'node:os'
import { parseArgs } from 'node:util'
import { measure } from './measure.ts'
import { toChart, toRows } from './report.ts'

/**
 * All subjects and every peer that is installed: `npm run bench`. Prints a table, and writes it as JSON and as a chart
 * to bench/results/.
 *
 * `-- --only 'floor|plain'` (a pattern), `--rounds 7`, `--seconds 2`, `--connections 64`;
 * `--profile SUBJECT` leaves a CPU profile of that subject instead, for the developer tools of Chrome.
 */
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    connections: { type: 'string', default: '64' },
    profile: { type: 'string' }
  }
})
const directory = new URL('results/', import.meta.url)
mkdirSync(directory, { recursive: true })
const { profile } = values

const results = await measure({
  rounds: profile ? 2 : Number(values.rounds),
  seconds: Number(values.seconds),
  connections: Number(values.connections),
  isWanted: profile ? name => name === profile : name => new RegExp(values.only).test(name),
  peers: !profile,
  flags: profile ? ['--cpu-prof', `--cpu-prof-dir=${directory.pathname}`] : [],
  onProgress: text => console.error(text)
})
if (profile) {
  if (results.length === 0) throw new Error(`there is no subject '${profile}'`)
  console.log(`the profile is in ${directory.pathname}`)
} else {
  const rows = toRows(results)
  console.table(Object.fromEntries(rows.map(({ subject, ...row }) => [subject, row])))
  const machine = {
    date: new Date().toISOString(),
    node: process.version,
    system: platform(),
    cores: availableParallelism(),
    cpu: cpus()[0]?.model
  }
  if (values.only === '') {
    writeFileSync(
      new URL('results.json', directory),
      `${JSON.stringify({ machine, rounds: values.rounds, rows, results }, null, 1)}\n`
    )
    writeFileSync(new URL('cpu.svg', directory), toChart(rows, 'Microseconds of CPU a request (median)'))
  }
}
process.exit(0)
