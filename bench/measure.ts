import { startRedis } from '../testing/redis-server.ts'
import { startIssuer } from './issuer.ts'
import { type LoadOptions, load, type Sample } from './load.ts'
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
  /** Flags for the process of each subject. */
  flags?: string[]
  onProgress?: (text: string) => void
}

/**
 * Loads each subject in short rounds that take turns, so that what the machine does besides falls on all of them. A
 * first round, for the compiler and the caches, is longer and not counted.
 */
export async function measure(options: MeasureOptions): Promise<Result[]> {
  const { rounds, isWanted = () => true, flags, onProgress = () => {} } = options
  const endings: (() => unknown)[] = []
  try {
    const issuer = await startIssuer(1_000)
    endings.push(issuer.close)
    const redis = await startRedis({ teardown: end => void endings.push(end) })
    const upstream = await start('upstream.ts', {}, 1)
    const env = { UPSTREAM: upstream.url, ISSUER: issuer.issuer, REDIS_URL: redis.url }

    const running: [Pick<Subject, 'name' | 'requests' | 'status'>, Measured, Sample[]][] = []
    for (const subject of createSubjects(issuer).filter(({ name }) => isWanted(name)))
      running.push([subject, await start(`subjects/${subject.script}`, { ...env, ...subject.env }, 0), []])
    for (const peer of options.peers
      ? createPeers().filter(peer => isWanted(peer.name) && peer.isAvailable())
      : []) {
      const process = await peer.start(upstream.url)
      endings.push(() => stop(process))
      running.push([{ name: peer.name, requests: [{ path: '/products/1' }] }, process, []])
    }

    for (let round = 0; round <= rounds; round++) {
      for (const [subject, process, samples] of running) {
        const sample = await load(
          subject,
          process,
          round > 0 ? options : { ...options, seconds: Math.max(3, options.seconds) }
        )
        if (round > 0) samples.push(sample)
      }
      onProgress(round === 0 ? 'warmed up' : `round ${round} of ${rounds}`)
    }
    return running.map(([{ name }, process, samples]) => ({ name, samples, memory: process.memory() }))
  } finally {
    await Promise.all(endings.map(end => end()))
  }

  async function start(script: string, env: NodeJS.ProcessEnv, core: number): Promise<Measured> {
    const process = core === 0 ? await startSubject(script, env, flags) : await startScript(script, env, core)
    endings.push(() => stop(process))
    return process
  }
}
