import { startRedis } from '../test/redis.ts'
import { startIssuer } from './issuer.ts'
import { startScript, startSubject, stop } from './process.ts'
import { measureInSlices } from './slices.ts'
import { median, ratio } from './statistics.ts'
import { createSubjects } from './subjects.ts'

/**
 * What a gateway pays for being looked into: `npm run bench:logs`. CPU a request with the log line, with the recorder and
 * with both, as ratios to a gateway with neither, of the same rounds: of all patterns together, where the promise is no
 * more than `LIMIT`, and of a route that only forwards. `-- 90` for another number of rounds.
 *
 * The gateways that are compared are in one process, of which there are several, one after the other: see slices.ts.
 */
const LIMIT = 1.08
const PROMISED = 'stack, unseen'
const SUBJECTS = [PROMISED, 'plain', 'unseen POST']
const BOTH = 'line,recorder'
/** What is there twice counts by the mean of the two; the first and the last tell how far apart two of the same are. */
const SEEN = ['', BOTH, 'line', 'recorder', BOTH, '']
/** Two of the same differ by more than their rounds do. The others than what is promised are in the first of them only. */
const PROCESSES = 10
const FIRST = 3
const ROUNDS = Number(process.argv[2] ?? 40)

const endings: (() => unknown)[] = []
const issuer = await startIssuer(1_000)
endings.push(issuer.close)
const redis = await startRedis({ teardown: end => void endings.push(end) })
const upstream = await startScript('upstream.ts', {}, 1)
endings.push(() => stop(upstream))
const env = { UPSTREAM: upstream.url, ISSUER: issuer.issuer, REDIS_URL: redis.url, SEEN: SEEN.join(';') }

let isOver = false
try {
  const subjects = createSubjects(issuer).filter(({ name }) => SUBJECTS.includes(name))
  /** By process, and the gateway in it. */
  const results = new Map<string, number[][][]>(SUBJECTS.map(name => [name, []]))
  for (let i = 1; i <= PROCESSES; i++) {
    const process = await startSubject('subjects/sluice.ts', env)
    for (const subject of subjects) {
      if (subject.name !== PROMISED && i > FIRST) continue
      const samples = await measureInSlices(subject, process, { rounds: ROUNDS, connections: 64 })
      results.get(subject.name)?.push(samples)
    }
    await stop(process)
    console.log(`process ${i} of ${PROCESSES}`)
  }
  for (const [name, processes] of results) {
    const unseen = processes.map(samples => meanOf(samples, ''))
    console.log(`${name}: ${median(unseen.flat()).toFixed(1)} us`)
    const say = (what: string, cpu: number[][], to: number[][]): number => {
      const { median, low, high } = ratio(cpu.flat(), to.flat())
      const error = errorOf(cpu.map((rounds, i) => ratio(rounds, to[i] as number[]).median))
      console.log(
        `  ${what}: ${median.toFixed(3)} x (quartiles ${low.toFixed(3)}-${high.toFixed(3)}, standard error ${error.toFixed(3)})`
      )
      return median
    }
    for (const seen of ['line', 'recorder'])
      say(
        seen,
        processes.map(samples => meanOf(samples, seen)),
        unseen
      )
    const both = processes.map(samples => meanOf(samples, BOTH))
    const cost = say(BOTH, both, unseen)
    const ends = [SEEN.length - 1, 0].map(place => processes.map(samples => samples[place] as number[]))
    say('the first again', ...(ends as [number[][], number[][]]))
    if (name === PROMISED && !(cost <= LIMIT)) isOver = true
  }
} finally {
  await Promise.all(endings.map(end => end()))
}
console.log(isOver ? `both cost more than ${LIMIT}` : `both cost no more than ${LIMIT}`)
process.exit(isOver ? 1 : 0)

/** Of the gateways with that, by the round. */
function meanOf(samples: number[][], seen: string): number[] {
  const those = samples.filter((_, i) => SEEN[i] === seen)
  return (those[0] as number[]).map(
    (_, round) => those.reduce((sum, cpu) => sum + (cpu[round] as number), 0) / those.length
  )
}

/** Of the mean of what several processes came to. */
function errorOf(values: number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return Math.sqrt(squares / (values.length - 1) / values.length)
}
