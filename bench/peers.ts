import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { tooLate, untilAnswers } from './peers/answers.ts'
import { isOnPath, natives, startNative, versionOf } from './peers/native.ts'
import { type Measured, startNode, stop } from './process.ts'

/** Another gateway, set up to do what Sluice does on a route without patterns: forward to one upstream. */
export interface Peer {
  name: string
  isAvailable(): boolean
  /** As it is installed here; asked of an available one only. */
  version(): string
  /** `upstream`: its URL. Settles once the gateway answers, and throws if it does not within 20 s. */
  start(upstream: string): Promise<Measured>
}

/** Those from npm: `npm ci --prefix bench/peers`. */
const packages = [
  { name: 'fast-gateway', script: 'fast-gateway.js', package: 'fast-gateway' },
  { name: 'express', script: 'express.js', package: 'http-proxy-middleware' },
  { name: 'platformatic', script: 'platformatic.js', package: '@platformatic/gateway' }
]

export function createPeers(): Peer[] {
  return [
    ...packages.map(({ name, script, package: installed }) => ({
      name,
      isAvailable: () => existsSync(path('node_modules')),
      version: () => JSON.parse(readFileSync(path(`node_modules/${installed}/package.json`), 'utf8')).version,
      start: (upstream: string) => startScript(name, path(script), upstream)
    })),
    ...natives.map(native => ({
      name: native.name,
      isAvailable: () => isOnPath(native.name),
      version: () => versionOf(native),
      start: (upstream: string) => startNative(native, upstream)
    }))
  ]
}

async function startScript(name: string, script: string, upstream: string): Promise<Measured> {
  // Platformatic knows only the spelling that Fastify has deprecated.
  const flags = ['--disable-warning=FSTDEP023']
  const env = { UPSTREAM: upstream, NODE_ENV: 'production' }
  const started = await Promise.race([startNode(script, env, 0, flags), tooLate(name)])
  try {
    await untilAnswers(name, started.child, started.url)
  } catch (error) {
    await stop(started)
    throw error
  }
  return started
}

function path(file: string): string {
  return fileURLToPath(new URL(`peers/${file}`, import.meta.url))
}
