import { measureInSlices } from './measure.ts'
import { cpuRatio } from './report.ts'

/**
 * What a gateway pays for being looked into: `npm run bench:logs`. CPU a request with the log line, with the recorder and
 * with both, as ratios to a gateway with neither, of the same rounds: of all patterns together, where the promise is no
 * more than `LIMIT`, and of a route that only forwards. `-- 20` for another number of rounds.
 */
const LIMIT = 1.08
const PROMISED = 'stack, both'
const PAIRS = [
  ['stack, line', 'stack, unseen'],
  ['stack, recorder', 'stack, unseen'],
  [PROMISED, 'stack, unseen'],
  ['seen, both', 'plain'],
  ['seen POST, both', 'unseen POST']
] as const

let isOver = false
// Few processes at once: the more of them take turns, the less of what each needs is in the processor's caches.
for (const base of new Set(PAIRS.map(([, to]) => to))) {
  const pairs = PAIRS.filter(([, to]) => to === base)
  const wanted = new Set<string>(pairs.flat())
  const results = await measureInSlices({
    rounds: Number(process.argv[2] ?? 15),
    replicas: 3,
    seconds: 0.6,
    connections: 64,
    isWanted: name => wanted.has(name)
  })
  for (const [subject, to] of pairs) {
    const { median, low, high } = cpuRatio(results, subject, to) as NonNullable<ReturnType<typeof cpuRatio>>
    console.log(`${subject}: ${median.toFixed(3)} x ${to} (quartiles ${low.toFixed(3)}-${high.toFixed(3)})`)
    if (subject === PROMISED && !(median <= LIMIT)) isOver = true
  }
}
console.log(isOver ? `both cost more than ${LIMIT}` : `both cost no more than ${LIMIT}`)
process.exit(isOver ? 1 : 0)
