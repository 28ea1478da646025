import { startRedis } from '../testing/redis-server.ts'
import { startIssuer } from './issuer.ts'
import { type LoadOptions, load, type Sample } from './load.ts'
import { createPeers } from './peers.ts'
import { type MeasuredProcess, startScript, startSubject, stop } from './process.ts'
import { createSubjects, type Subject } from './subjects.ts'

export interface Result {
  name: string
  /** One per round; sample i of all subjects is from the same round. */
  samples: Sample[]
  /** Resident bytes after the last round. */
  memory: number
}

export interface MeasureOptions extends LoadOptions {
  rounds: number
  /** Selects subjects by name. Default: all. */
  isSelected?: (name: string) => boolean
  /** Measure other installed gateways too. */
  peers?: boolean
  onProgress?: (text: string) => void
}

/**
 * Loads all subjects in short interleaved rounds, so that other work on the machine affects all of them. The first round
 * is a longer warm-up and does not count.
 */
export async function measure(options: MeasureOptions): Promise<Result[]> {
  const { rounds, isSelected = () => true, onProgress = () => {} } = options
  const teardowns: (() => unknown)[] = []
  try {
    const issuer = await startIssuer(1_000)
    teardowns.push(issuer.close)
    const redis = await startRedis({ teardown: teardown => void teardowns.push(teardown) })
    const upstream = await track(startScript('upstream.ts', {}, 1))
    const env = { UPSTREAM: upstream.url, ISSUER: issuer.issuer, REDIS_URL: redis.url }

    const running: [Pick<Subject, 'name' | 'requests' | 'status'>, MeasuredProcess, Sample[]][] = []
    for (const subject of createSubjects(issuer).filter(({ name }) => isSelected(name)))
      running.push([subject, await track(startSubject(subject, env)), []])
    if (options.peers) {
      for (const peer of createPeers().filter(peer => isSelected(peer.name) && peer.isAvailable())) {
        const process = await track(peer.start({ upstream: upstream.url, issuer: issuer.issuer }))
        const path = '/products/1'
        const requests = peer.needsToken
          ? issuer.premium.map(authorization => ({ path, headers: { authorization } }))
          : [{ path }]
        running.push([{ name: peer.name, requests }, process, []])
      }
    }

    for (let round = 0; round <= rounds; round++) {
      const isWarmUp = round === 0
      for (const [subject, process, samples] of running) {
        const seconds = isWarmUp ? Math.max(3, options.seconds) : options.seconds
        const sample = await load(subject, process, { ...options, seconds })
        if (!isWarmUp) samples.push(sample)
      }
      onProgress(isWarmUp ? 'warmed up' : `round ${round} of ${rounds}`)
    }
    return running.map(([{ name }, process, samples]) => ({ name, samples, memory: process.memory() }))
  } finally {
    await Promise.all(teardowns.map(teardown => teardown()))
  }

  async function track(starting: Promise<MeasuredProcess>): Promise<MeasuredProcess> {
    const process = await starting
    teardowns.push(() => stop(process))
    return process
  }
}
