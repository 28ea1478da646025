import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startRedis } from '../test/redis.ts'
import { startIssuer } from './issuer.ts'
import { load, type Sample } from './load.ts'
import { type Measured, startNode, stop } from './process.ts'
import { median, ratio, round } from './statistics.ts'
import { createSubjects, type Subject } from './subjects.ts'

/**
 * CPU time a request of each subject's process, in short rounds that take turns, so that what the machine does besides
 * falls on all of them: `npm run bench -- [--only floor,plain] [--rounds 7] [--seconds 2] [--connections 64]`.
 */
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    connections: { type: 'string', default: '64' }
  }
})
const endings: (() => unknown)[] = []

try {
  await measure()
} finally {
  await Promise.all(endings.map(end => end()))
}
process.exit(0)

async function measure(): Promise<void> {
  const issuer = await startIssuer(1_000)
  const redis = await startRedis({ teardown: end => endings.push(end) } as never)
  const upstream = await start('upstream.ts', {}, 1)
  const env = { UPSTREAM: upstream.url, ISSUER: issuer.issuer, REDIS_URL: redis.url }
  const wanted = values.only?.split(',')
  const subjects = createSubjects(issuer).filter(({ name }) => wanted?.includes(name) ?? true)
  const processes = new Map<Subject, Measured>()
  for (const subject of subjects)
    processes.set(subject, await start(`subjects/${subject.script}`, { ...env, ...subject.env }, 0))

  const samples = new Map<Subject, Sample[]>(subjects.map(subject => [subject, []]))
  const options = { connections: Number(values.connections), seconds: Number(values.seconds) }
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const subject of subjects) {
      const sample = await load(subject, processes.get(subject) as Measured, options)
      // The first round is for the compiler.
      if (round > 0) samples.get(subject)?.push(sample)
    }
    process.stderr.write(round === 0 ? 'warmed up\n' : `round ${round} of ${values.rounds}\n`)
  }
  report(subjects, samples, processes)
}

async function start(script: string, env: NodeJS.ProcessEnv, core: number): Promise<Measured> {
  const process = await startNode(fileURLToPath(new URL(script, import.meta.url)), env, core)
  endings.push(() => stop(process))
  return process
}

function report(
  subjects: Subject[],
  samples: Map<Subject, Sample[]>,
  processes: Map<Subject, Measured>
): void {
  const figures = (name: string, key: keyof Sample) => {
    const subject = subjects.find(subject => subject.name === name)
    return subject && (samples.get(subject) as Sample[]).map(sample => sample[key])
  }
  const against = (subject: Subject, name: string) => {
    const other = figures(name, 'cpu')
    return other && round(ratio(figures(subject.name, 'cpu') as number[], other).median, 2)
  }
  console.table(
    Object.fromEntries(
      subjects.map(subject => [
        subject.name,
        {
          'CPU us a request': round(median(figures(subject.name, 'cpu') as number[]), 1),
          'x floor': against(subject, 'floor'),
          'x bare': against(subject, 'bare'),
          'requests a second': round(median(figures(subject.name, 'rate') as number[]), 0),
          'p50 ms': median(figures(subject.name, 'p50') as number[]),
          'p99 ms': median(figures(subject.name, 'p99') as number[]),
          'MiB resident': round((processes.get(subject) as Measured).memory() / 2 ** 20, 0)
        }
      ])
    )
  )
}
