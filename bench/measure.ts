import { setTimeout as sleep } from 'node:timers/promises'
import { startRedis } from '../test/redis.ts'
import { startIssuer } from './issuer.ts'
import { type LoadOptions, load, loadAlways, type Sample } from './load.ts'
import { createPeers } from './peers.ts'
import { type Measured, startScript, startSubject, stop } from './process.ts'
import { createSubjects, type Subject } from './subjects.ts'

export interface Result {
  name: string
  /** One a round, the same round for all. */
  samples: Sample[]
  /** Bytes resident after the last round. */
  memory: number
}

export interface MeasureOptions extends LoadOptions {
  rounds: number
  /** Which subjects; all if not given. */
  isWanted?: (name: string) => boolean
  /** Other gateways too, those that are installed. */
  peers?: boolean
  /** One process a subject if not given. Of more, the samples are what they come to together. */
  replicas?: number
  /** Flags for the process of each subject. */
  flags?: string[]
  onProgress?: (text: string) => void
}

type Running = [subject: Pick<Subject, 'name' | 'requests' | 'status'>, process: Measured, samples: Sample[]]

/**
 * Loads each subject in short rounds that take turns, so that what the machine does besides falls on all of them. A
 * first round, for the compiler and the caches, is longer and not counted.
 */
export function measure(options: MeasureOptions): Promise<Result[]> {
  return withSubjects(options, async running => {
    const { rounds, onProgress = () => {} } = options
    for (let round = 0; round <= rounds; round++) {
      for (const [subject, process, samples] of running) {
        const sample = await load(
          subject,
          process,
          round > 0 ? options : { ...options, seconds: Math.max(WARM_UP, options.seconds) }
        )
        if (round > 0) samples.push(sample)
      }
      onProgress(round === 0 ? 'warmed up' : `round ${round} of ${rounds}`)
    }
  })
}

/**
 * For differences of a few per cent. All subjects are loaded all the time, and stopped (SIGSTOP) but for one, which runs for
 * `SLICE` ms; the order is drawn anew each time. A sample is what `seconds` of a subject's slices come to. A machine that
 * becomes slower does so for all of them then, and a sample of one is not its good luck with the garbage collector.
 */
export function measureInSlices(options: MeasureOptions): Promise<Result[]> {
  return withSubjects(options, async running => {
    const { rounds, seconds, connections, onProgress = () => {} } = options
    for (const [subject, process] of running) await load(subject, process, { connections, seconds: WARM_UP })
    const loads = running.map(([subject, process]) => loadAlways(subject, process, connections))
    for (const [, { child }] of running) child.kill('SIGSTOP')
    for (let round = 1; round <= rounds; round++) {
      const sums = running.map(() => ({ cpu: 0, requests: 0 }))
      for (let slice = 0; slice < (seconds * 1_000) / SLICE; slice++)
        for (const i of shuffled(running.keys())) {
          const { child, cpu } = (running[i] as Running)[1]
          const before = { cpu: cpu(), requests: loads[i]?.answered ?? 0 }
          child.kill('SIGCONT')
          await sleep(SLICE)
          child.kill('SIGSTOP')
          // What it has answered is still to be read.
          await sleep(SLICE / 10)
          const sum = sums[i] as { cpu: number; requests: number }
          sum.cpu += cpu() - before.cpu
          sum.requests += (loads[i]?.answered ?? 0) - before.requests
        }
      for (const [i, { cpu, requests }] of sums.entries())
        running[i]?.[2].push({
          cpu: cpu / requests,
          rate: requests / seconds,
          p50: Number.NaN,
          p99: Number.NaN
        })
      onProgress(`round ${round} of ${rounds}`)
    }
    for (const [i, [{ name }, { child }]] of running.entries()) {
      child.kill('SIGCONT')
      if (loads[i]?.strange) throw new Error(`${name}: ${loads[i]?.strange} answers were others`)
    }
  })
}

/** Seconds. */
const WARM_UP = 3
/** Milliseconds. */
const SLICE = 100

async function withSubjects(
  options: MeasureOptions,
  run: (running: Running[]) => Promise<void>
): Promise<Result[]> {
  const { isWanted = () => true, flags, replicas = 1 } = options
  const endings: (() => unknown)[] = []
  try {
    const issuer = await startIssuer(1_000)
    endings.push(issuer.close)
    const redis = await startRedis({ teardown: end => void endings.push(end) })
    const upstream = await start('upstream.ts', {}, 1)
    const env = { UPSTREAM: upstream.url, ISSUER: issuer.issuer, REDIS_URL: redis.url }

    const running: Running[] = []
    for (let replica = 0; replica < replicas; replica++)
      for (const subject of createSubjects(issuer).filter(({ name }) => isWanted(name)))
        running.push([subject, await start(`subjects/${subject.script}`, { ...env, ...subject.env }, 0), []])
    for (const peer of options.peers
      ? createPeers().filter(peer => isWanted(peer.name) && peer.isAvailable())
      : []) {
      const process = await peer.start(upstream.url)
      endings.push(() => stop(process))
      running.push([{ name: peer.name, requests: [{ path: '/products/1' }] }, process, []])
    }

    await run(running)
    const results = new Map<string, Result>()
    for (const [{ name }, process, samples] of running) {
      const result = results.get(name)
      const memory = process.memory()
      if (result === undefined) results.set(name, { name, samples, memory })
      else result.samples = result.samples.map((sample, i) => together(sample, samples[i] as Sample))
    }
    return [...results.values()]
  } finally {
    await Promise.all(endings.map(end => end()))
  }

  async function start(script: string, env: NodeJS.ProcessEnv, core: number): Promise<Measured> {
    const process = core === 0 ? await startSubject(script, env, flags) : await startScript(script, env, core)
    endings.push(() => stop(process))
    return process
  }
}

/** Two processes' work: its cost is that of all of it. */
function together(a: Sample, b: Sample): Sample {
  const rate = a.rate + b.rate
  return {
    cpu: (a.cpu * a.rate + b.cpu * b.rate) / rate,
    rate,
    p50: Math.max(a.p50, b.p50),
    p99: Math.max(a.p99, b.p99)
  }
}

function shuffled<T>(items: Iterable<T>): T[] {
  const drawn = Array.from(items, item => ({ item, at: Math.random() }))
  return drawn.sort((a, b) => a.at - b.at).map(({ item }) => item)
}
