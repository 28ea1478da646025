import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import autocannon from 'autocannon'
import { startIssuer } from './issuer.ts'
import { type Measured, startNode, stop } from './process.ts'
import { createSubjects, type Subject } from './subjects.ts'

/**
 * CPU time a request of each subject's process, in short rounds that take turns, so that what the machine does besides
 * falls on all of them: `npm run bench -- [--only floor,plain] [--rounds 7] [--seconds 2]`.
 */
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    connections: { type: 'string', default: '64' }
  }
})

interface Sample {
  cpu: number
  rate: number
  p50: number
  p99: number
}

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const running: Measured[] = []

try {
  await measure()
} finally {
  await Promise.all(running.map(stop))
}
process.exit(0)

async function measure(): Promise<void> {
  const issuer = await startIssuer(1_000)
  const upstream = await start('upstream.ts', {}, 1)
  const wanted = values.only?.split(',')
  const subjects = createSubjects(issuer).filter(({ name }) => wanted?.includes(name) ?? true)
  const processes = new Map<Subject, Measured>()
  for (const subject of subjects)
    processes.set(
      subject,
      await start(`subjects/${subject.script}`, { UPSTREAM: upstream.url, ISSUER: issuer.issuer }, 0)
    )

  const samples = new Map<Subject, Sample[]>(subjects.map(subject => [subject, []]))
  const rounds = Number(values.rounds)
  for (let round = 0; round <= rounds; round++) {
    for (const subject of subjects) {
      const sample = await load(subject, processes.get(subject) as Measured)
      // The first round is for the compiler.
      if (round > 0) samples.get(subject)?.push(sample)
    }
    process.stderr.write(round === 0 ? 'warmed up\n' : `round ${round} of ${rounds}\n`)
  }
  report(subjects, samples, processes)
}

async function start(script: string, env: NodeJS.ProcessEnv, core: number): Promise<Measured> {
  const process = await startNode(path(script), env, core)
  running.push(process)
  return process
}

async function load({ name, requests }: Subject, { url, cpu }: Measured): Promise<Sample> {
  const before = cpu()
  const {
    requests: done,
    latency,
    non2xx,
    errors,
    duration
  } = await autocannon({
    url,
    requests,
    connections: Number(values.connections),
    duration: Number(values.seconds)
  })
  if (non2xx > 0 || errors > 0) throw new Error(`${name}: ${non2xx} answers that are none, ${errors} errors`)
  return {
    cpu: (cpu() - before) / done.total,
    rate: done.total / duration,
    p50: latency.p50,
    p99: latency.p99
  }
}

function report(
  subjects: Subject[],
  samples: Map<Subject, Sample[]>,
  processes: Map<Subject, Measured>
): void {
  const figure = (subject: Subject, key: keyof Sample) =>
    median((samples.get(subject) as Sample[]).map(sample => sample[key]))
  const floor = subjects.find(({ name }) => name === 'floor')
  console.table(
    Object.fromEntries(
      subjects.map(subject => [
        subject.name,
        {
          'CPU us a request': round(figure(subject, 'cpu'), 1),
          'x floor': floor && round(figure(subject, 'cpu') / figure(floor, 'cpu'), 2),
          'requests a second': round(figure(subject, 'rate'), 0),
          'p50 ms': figure(subject, 'p50'),
          'p99 ms': figure(subject, 'p99'),
          'MiB resident': round((processes.get(subject) as Measured).memory() / 2 ** 20, 0)
        }
      ])
    )
  )
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

function round(value: number, places: number): number {
  return Number(value.toFixed(places))
}
