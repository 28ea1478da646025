import { Pool } from 'undici'
import { startRedis } from '../test/redis.ts'
import { startIssuer } from './issuer.ts'
import { startScript, stop } from './process.ts'
import { round } from './statistics.ts'

/**
 * What a gateway holds after a million requests of 100,000 addresses and 10,000 tokens, all of them limited in Redis:
 * `npm run bench:memory`. Prints the memory resident after each tenth.
 */
const REQUESTS = 1_000_000
const ADDRESSES = 100_000
const TOKENS = 10_000

const endings: (() => unknown)[] = []
const issuer = await startIssuer(TOKENS, ['premium'])
const redis = await startRedis({ teardown: end => void endings.push(end) })
const upstream = await startScript('upstream.ts', {}, 1)
const gateway = await startScript(
  'subjects/sluice.ts',
  { UPSTREAM: upstream.url, ISSUER: issuer.issuer, REDIS_URL: redis.url },
  0,
  process.argv.slice(2)
)
const pool = new Pool(gateway.url, { connections: 64 })
let sent = 0
for (let tenth = 1; tenth <= 10; tenth++) {
  await Promise.all(Array.from({ length: 64 }, () => requests((tenth * REQUESTS) / 10)))
  console.log(`${sent} requests: ${round(gateway.memory() / 2 ** 20, 0)} MiB`)
}
await pool.close()
await Promise.all([stop(gateway), stop(upstream)])
await Promise.all(endings.map(end => end()))
process.exit(0)

async function requests(until: number): Promise<void> {
  while (sent < until) {
    const i = sent++
    const address = i % ADDRESSES
    const { statusCode, body } = await pool.request({
      method: 'GET',
      path: '/crowd/o-1',
      headers: {
        authorization: issuer.premium[i % TOKENS] as string,
        'x-forwarded-for': `10.${address >> 16}.${(address >> 8) & 255}.${address & 255}`
      }
    })
    await body.dump()
    if (statusCode !== 200) throw new Error(`answered ${statusCode}`)
  }
}
