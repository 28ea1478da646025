import { startRedis } from '../testing/redis-server.ts'
import { startIssuer } from './issuer.ts'
import { startScript, startSubject, stop } from './process.ts'
import { measureInSlices } from './slices.ts'
import { median, ratio } from './statistics.ts'
import { createSubjects } from './subjects.ts'

/**
 * What a gateway pays for being looked into: `npm run bench:logs`. CPU a request with the log line, with the recorder and
 * with both, as ratios to a gateway with neither, of the same rounds: of all patterns together, where the promise is no
 * more than `LIMIT`, and of a route that only forwards. `-- 20` for another number of sets.
 *
 * Each gateway is in a process of its own, as it is where it is at work; those of a set take turns (see slices.ts). Two of
 * the very same differ by some per cent for as long as they live, so there are several sets, one after the other.
 */
const LIMIT = 1.08
const PROMISED = 'stack, unseen'
const SUBJECTS = [PROMISED, 'plain', 'unseen POST']
const BOTH = 'line,recorder'
/** The last is the first again, and tells how far apart two of the same are. */
const SEEN = ['', BOTH, 'line', 'recorder', '']
/** The first sets have all of these, and the other subjects with the first two of them; the rest only what is promised. */
const SETS = Number(process.argv[2] ?? 16)
const FIRST = 2
const ROUNDS = 60
const WARM_UP = 60

const endings: (() => unknown)[] = []
const issuer = await startIssuer(1_000)
endings.push(issuer.close)
const redis = await startRedis({ teardown: end => void endings.push(end) })
const upstream = await startScript('upstream.ts', {}, 1)
endings.push(() => stop(upstream))
const env = { UPSTREAM: upstream.url, ISSUER: issuer.issuer, REDIS_URL: redis.url }

let isOver = false
try {
  const subjects = createSubjects(issuer).filter(({ name }) => SUBJECTS.includes(name))
  /** By set, then of each gateway by the round. */
  const results = new Map<string, number[][][]>(SUBJECTS.map(name => [name, []]))
  for (let i = 1; i <= SETS; i++) {
    const seen = i <= FIRST ? SEEN : SEEN.slice(0, 2)
    const processes = await Promise.all(
      seen.map(what => startSubject('subjects/sluice.ts', { ...env, SEEN: what }))
    )
    const gateways = processes.map(process => ({ process, url: process.url }))
    for (const subject of subjects) {
      const isPromised = subject.name === PROMISED
      if (!isPromised && i > FIRST) continue
      const options = { rounds: ROUNDS, warmUp: WARM_UP, connections: 64 }
      const those = isPromised ? gateways : gateways.slice(0, 2)
      results.get(subject.name)?.push(await measureInSlices(subject, those, options))
    }
    await Promise.all(processes.map(stop))
    console.log(`set ${i} of ${SETS}`)
  }
  for (const [name, sets] of results) {
    console.log(`${name}: ${median(sets.flatMap(([unseen]) => unseen as number[])).toFixed(1)} us`)
    for (const [place, seen] of SEEN.entries()) {
      if (place === 0) continue
      const those = sets.filter(samples => samples[place] !== undefined)
      if (those.length === 0) continue
      const ratios = those.map(samples => ratio(samples[place] as number[], samples[0] as number[]).median)
      const { mean, error } = meanOf(ratios)
      console.log(
        `  ${seen || 'the first again'}: ${mean.toFixed(3)} x (standard error ${error.toFixed(3)}, ${ratios.length} sets)`
      )
      if (name === PROMISED && seen === BOTH && !(mean <= LIMIT)) isOver = true
    }
  }
} finally {
  await Promise.all(endings.map(end => end()))
}
console.log(isOver ? `both cost more than ${LIMIT}` : `both cost no more than ${LIMIT}`)
process.exit(isOver ? 1 : 0)

function meanOf(values: number[]): { mean: number; error: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, error: Math.sqrt(squares / (values.length - 1) / values.length) }
}
