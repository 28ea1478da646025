import { setImmediate } from 'node:timers/promises'
import Fastify from 'fastify'
import { createLeasedLimiter } from '../limits/lease.ts'
import { createTier } from '../limits/limiter.ts'
import { createMemoryLimiter } from '../limits/memory-limiter.ts'
import jwt, { issuers } from '../plugins/jwt.ts'
import { createUsage, MAX_CONSUMERS } from '../versions/usage.ts'
import { startIssuer } from './issuer.ts'
import { round } from './statistics.ts'

/** What those memories of a worker take that are bounded by a count, once they are full: `npm run bench:caps`. */
const { gc } = globalThis as { gc?: () => void }
if (gc === undefined) throw new Error('node wants --expose-gc')
const rows: Record<string, { entries: number; MiB: number; bytes: number }> = {}

const limits = [
  { limit: 1_000_000, window: 60_000, algorithm: 'sliding-window' as const },
  { limit: 10_000_000, window: 3_600_000, algorithm: 'sliding-window' as const }
]
const tier = createTier('premium', { counting: 'leased', redisAway: 'local', limits })
const address = (i: number) => `address:10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`

await fill('keys of limits in memory, two limits', 100_000, n => {
  const limiter = createMemoryLimiter(n, undefined, 2)
  // Twice as many as there is room for.
  for (let i = 0; i < n * 2; i++) limiter.check(address(i), tier, 1, () => {})
  return limiter
})
await fill('leases', 10_000, n => {
  const leased = createLeasedLimiter(createMemoryLimiter(1, undefined, 2))
  for (let i = 0; i < n * 2; i++) for (let j = 0; j < 3; j++) leased.check(address(i), tier, 1, () => {})
  return leased
})
await fill('consumers of a version', MAX_CONSUMERS, n => {
  const usage = createUsage()
  for (let i = 0; i < n * 2; i++) usage.count(`u-${i}`, Date.now() + i)
  return usage
})

const TOKENS = 10_000
const issuer = await startIssuer(TOKENS, ['premium'])
const app = Fastify()
const options = { issuer: issuer.issuer, audience: 'api://gateway', clockTolerance: 0, cache: TOKENS }
const jwks = { refreshAfter: 300_000, maxStale: 3_600_000, cooldown: 5_000, timeout: 5_000 }
await app.register(issuers, { issuers: { shop: { ...options, jwks } } })
await app.register(async scope => {
  await scope.register(jwt, { issuer: 'shop' })
  scope.get('/', async () => '')
})
const ask = (authorization: string) => app.inject({ url: '/', headers: { authorization } })
// What the first of them needs besides.
for (const token of issuer.premium.slice(0, 200)) await ask(token)
await fill('verified tokens', TOKENS - 200, async () => {
  for (const token of issuer.premium.slice(200)) await ask(token)
  return app
})

console.table(rows)
process.exit(0)

async function fill(name: string, entries: number, make: (entries: number) => unknown): Promise<void> {
  const before = await held()
  const made = await make(entries)
  const grown = (await held()) - before
  rows[name] = { entries, MiB: round(grown / 2 ** 20, 1), bytes: Math.round(grown / entries) }
  // It is there until now.
  if (made === undefined) throw new Error('nothing was made')
}

async function held(): Promise<number> {
  // What has just been waited for is let go of between two turns.
  for (let i = 0; i < 3; i++) {
    await setImmediate()
    gc?.()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
