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
const PROCESSES = 6
/** Of what is promised; of the others, a third. */
const ROUNDS = Number(process.argv[2] ?? 60)

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
  const results = new Map<string, number[][]>(SUBJECTS.map(name => [name, SEEN.map(() => [])]))
  for (let i = 1; i <= PROCESSES; i++) {
    const process = await startSubject('subjects/sluice.ts', env)
    for (const subject of subjects) {
      const rounds = subject.name === PROMISED ? ROUNDS : Math.ceil(ROUNDS / 3)
      const samples = await measureInSlices(subject, process, { rounds, connections: 64 })
      for (const [j, cpu] of samples.entries()) results.get(subject.name)?.[j]?.push(...cpu)
    }
    await stop(process)
    console.log(`process ${i} of ${PROCESSES}`)
  }
  for (const [name, samples] of results) {
    const unseen = meanOf(samples, '')
    console.log(`${name}: ${median(unseen).toFixed(1)} us`)
    const say = (what: string, cpu: number[], to: number[]): number => {
      const { median, low, high } = ratio(cpu, to)
      console.log(`  ${what}: ${median.toFixed(3)} x (quartiles ${low.toFixed(3)}-${high.toFixed(3)})`)
      return median
    }
    for (const seen of ['line', 'recorder']) say(seen, meanOf(samples, seen), unseen)
    const cost = say(BOTH, meanOf(samples, BOTH), unseen)
    say('the first again', samples.at(-1) as number[], samples[0] as number[])
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
