import { parseArgs } from 'node:util'
import { Pool } from 'undici'
import { startRedis } from '../testing/redis-server.ts'
import { ask } from './faults/processes.ts'
import { startIssuer } from './issuer.ts'
import { startGateway, startScript, stop } from './process.ts'
import { round } from './statistics.ts'

/**
 * What a gateway holds after a million requests of 100,000 addresses and 10,000 tokens, all of them limited:
 * `npm run bench:memory`. Fails if it is 150 MiB or more, or if the second half is not flat.
 *
 * `-- --requests 150000`; `--memory`: limits are counted in the gateway, not in Redis; `--hostile`: every request comes
 * from an address of its own, every other one to a path of its own and with a bad token of its own; flags for node come
 * last, behind another `--`.
 */
const { values, positionals: flags } = parseArgs({
  allowPositionals: true,
  options: {
    requests: { type: 'string', default: '1000000' },
    memory: { type: 'boolean', default: false },
    hostile: { type: 'boolean', default: false }
  }
})
const requests = Number(values.requests)
const ADDRESSES = values.hostile ? Number.POSITIVE_INFINITY : 100_000
const TOKENS = 10_000
/** MiB. */
const MOST = 150
/** By how much a reading of the second half may differ from another. */
const FLAT = 0.05

const endings: (() => unknown)[] = []
const issuer = await startIssuer(TOKENS, ['premium'])
const redis = values.memory ? undefined : await startRedis({ teardown: end => void endings.push(end) })
const upstream = await startScript('upstream.ts', {}, 1)
const gateway = await startGateway(
  'subjects/sluice.ts',
  { UPSTREAM: upstream.url, ISSUER: issuer.issuer, ...(redis && { REDIS_URL: redis.url }) },
  ['--expose-gc', ...flags]
)
const pool = new Pool(gateway.url, { connections: 64 })
const mib = (bytes: number) => round(bytes / 2 ** 20, 1)
const resident: number[] = []
let sent = 0
await tell()
for (let tenth = 1; tenth <= 10; tenth++) {
  await Promise.all(Array.from({ length: 64 }, () => send((tenth * requests) / 10)))
  await tell()
}
// What is left once nothing is there any more that could go: not what is resident, but what it is for.
const { memory } = await ask<{ memory: NodeJS.MemoryUsage }>(gateway, true)
console.log(`live: heap ${mib(memory.heapUsed)} MiB, external ${mib(memory.external)} MiB`)
await pool.close()
await Promise.all([stop(gateway), stop(upstream)])
await Promise.all(endings.map(end => end()))

const half = resident.slice(5)
const most = Math.max(...resident)
const spread = (Math.max(...half) - Math.min(...half)) / Math.min(...half)
const verdicts: [boolean, string][] = [
  [most < MOST, `most resident ${most} MiB, limit ${MOST}`],
  [spread <= FLAT, `second half within ${round(spread * 100, 1)} %, limit ${FLAT * 100}`]
]
for (const [isKept, text] of verdicts) console.log(`${isKept ? 'ok   ' : 'short'} ${text}`)
process.exit(verdicts.every(([isKept]) => isKept) ? 0 : 1)

async function tell(): Promise<void> {
  const { memory } = await ask<{ memory: NodeJS.MemoryUsage }>(gateway)
  const now = mib(gateway.memory())
  resident.push(now)
  const { heapTotal, heapUsed, external } = memory
  console.log(
    `${sent} requests: resident ${now} MiB, heap ${mib(heapUsed)} of ${mib(heapTotal)}, external ${mib(external)}`
  )
}

async function send(until: number): Promise<void> {
  while (sent < until) {
    const i = sent++
    const address = i % ADDRESSES
    const isBad = values.hostile && i % 2 === 1
    const token = issuer.premium[i % TOKENS] as string
    const { statusCode, body } = await pool.request({
      method: 'GET',
      path: isBad ? `/crowd/o-${i}` : '/crowd/o-1',
      headers: {
        authorization: isBad ? `${token.slice(0, -8)}${String(i).padStart(8, 'A')}` : token,
        'x-forwarded-for': `10.${address >> 16}.${(address >> 8) & 255}.${address & 255}`
      }
    })
    await body.dump()
    if (statusCode !== (isBad ? 401 : 200)) throw new Error(`answered ${statusCode}`)
  }
}
