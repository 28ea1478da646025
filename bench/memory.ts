import { parseArgs } from 'node:util'
import { Pool } from 'undici'
import { startRedis } from '../testing/redis-server.ts'
import { ask } from './faults/processes.ts'
import { startIssuer } from './issuer.ts'
import { startGateway, startScript, stop } from './process.ts'
import { round } from './statistics.ts'

/**
 * Measures a gateway's memory over a million requests from 100,000 addresses with 10,000 tokens, all rate limited:
 * `npm run bench:memory`. Fails at 200 MiB resident or more, or if memory still changes in the second half.
 *
 * Options: `-- --requests 150000`; `--memory` counts limits in the gateway instead of Redis; `--hostile` sends each request
 * from its own address, every other one with a unique path and invalid token. Flags for Node follow a second `--`.
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
const CONNECTIONS = 64
/** MiB. */
const MAX_RESIDENT = 200
/** Relative difference between readings of the second half. */
const MAX_SPREAD = 0.05

const teardowns: (() => unknown)[] = []
const issuer = await startIssuer(TOKENS, ['premium'])
const redis = values.memory
  ? undefined
  : await startRedis({ teardown: teardown => void teardowns.push(teardown) })
const upstream = await startScript('upstream.ts', {}, 1)
const gateway = await startGateway(
  'subjects/sluice.ts',
  { UPSTREAM: upstream.url, ISSUER: issuer.issuer, ...(redis && { REDIS_URL: redis.url }) },
  ['--expose-gc', ...flags]
)
const pool = new Pool(gateway.url, { connections: CONNECTIONS })
const toMiB = (bytes: number) => round(bytes / 2 ** 20, 1)
const resident: number[] = []
let sent = 0
await takeReading()
for (let tenth = 1; tenth <= 10; tenth++) {
  await Promise.all(Array.from({ length: CONNECTIONS }, () => send((tenth * requests) / 10)))
  await takeReading()
}
const { memory } = await ask<{ memory: NodeJS.MemoryUsage }>(gateway, true)
console.log(`live: heap ${toMiB(memory.heapUsed)} MiB, external ${toMiB(memory.external)} MiB`)
await pool.close()
await Promise.all([stop(gateway), stop(upstream)])
await Promise.all(teardowns.map(teardown => teardown()))

const secondHalf = resident.slice(5)
const maximum = Math.max(...resident)
const spread = (Math.max(...secondHalf) - Math.min(...secondHalf)) / Math.min(...secondHalf)
const checks: [isMet: boolean, text: string][] = [
  [maximum < MAX_RESIDENT, `maximum resident ${maximum} MiB, limit ${MAX_RESIDENT}`],
  [spread <= MAX_SPREAD, `second half within ${round(spread * 100, 1)} %, limit ${MAX_SPREAD * 100}`]
]
for (const [isMet, text] of checks) console.log(`${isMet ? 'ok  ' : 'over'} ${text}`)
process.exit(checks.every(([isMet]) => isMet) ? 0 : 1)

async function takeReading(): Promise<void> {
  const { memory } = await ask<{ memory: NodeJS.MemoryUsage }>(gateway)
  const current = toMiB(gateway.memory())
  resident.push(current)
  const { heapTotal, heapUsed, external } = memory
  console.log(
    `${sent} requests: resident ${current} MiB, heap ${toMiB(heapUsed)} of ${toMiB(heapTotal)}, external ${toMiB(external)}`
  )
}

async function send(until: number): Promise<void> {
  while (sent < until) {
    const i = sent++
    const address = i % ADDRESSES
    const isInvalid = values.hostile && i % 2 === 1
    const token = issuer.premium[i % TOKENS] as string
    const { statusCode, body } = await pool.request({
      method: 'GET',
      path: isInvalid ? `/crowd/o-${i}` : '/crowd/o-1',
      headers: {
        authorization: isInvalid ? `${token.slice(0, -8)}${String(i).padStart(8, 'A')}` : token,
        'x-forwarded-for': `10.${address >> 16}.${(address >> 8) & 255}.${address & 255}`
      }
    })
    await body.dump()
    if (statusCode !== (isInvalid ? 401 : 200)) throw new Error(`unexpected status ${statusCode}`)
  }
}
