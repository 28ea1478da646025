import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isOnPath, nativePeers, type PeerUrls, startNative, versionOf } from './peers/native.ts'
import { startTimeout, untilReady } from './peers/readiness.ts'
import { type MeasuredProcess, startNode, stop } from './process.ts'

/** Another gateway, configured like a Sluice route without patterns: it forwards to one upstream. */
export interface Peer {
  name: string
  /** Has the patterns of the full stack too, so it wants a token. */
  needsToken: boolean
  isAvailable(): boolean
  /** Returns the installed version. Call only for available peers. */
  version(): string
  /**
   * Starts the gateway in front of the upstream.
   * @throws if it does not respond within 20 s
   */
  start(urls: Required<PeerUrls>): Promise<MeasuredProcess>
}

/** Peers from npm: `npm ci --prefix bench/peers`. */
const packages = [
  { name: 'fast-gateway', script: 'fast-gateway.js', package: 'fast-gateway' },
  { name: 'express', script: 'express.js', package: 'http-proxy-middleware' },
  { name: 'platformatic', script: 'platformatic.js', package: '@platformatic/gateway' }
]

export function createPeers(): Peer[] {
  return [
    ...packages.map(({ name, script, package: installed }) => ({
      name,
      needsToken: false,
      isAvailable: () => existsSync(pathOf('node_modules')),
      version: () =>
        JSON.parse(readFileSync(pathOf(`node_modules/${installed}/package.json`), 'utf8')).version,
      start: ({ upstream }: PeerUrls) => startPackage(name, pathOf(script), upstream as string)
    })),
    ...nativePeers.map(peer => ({
      name: peer.name,
      needsToken: peer.needsToken ?? false,
      isAvailable: () => isOnPath(peer.binary ?? peer.name),
      version: () => versionOf(peer),
      start: (urls: PeerUrls) => startNative(peer, urls)
    }))
  ]
}

async function startPackage(name: string, script: string, upstream: string): Promise<MeasuredProcess> {
  // Platformatic uses an option name that Fastify has deprecated.
  const flags = ['--disable-warning=FSTDEP023']
  const env = { UPSTREAM: upstream, NODE_ENV: 'production' }
  const started = await Promise.race([startNode(script, env, 0, flags), startTimeout(name)])
  try {
    await untilReady(name, started.child, started.url)
  } catch (error) {
    await stop(started)
    throw error
  }
  return started
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(`peers/${file}`, import.meta.url))
}
