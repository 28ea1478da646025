import { Readable } from 'node:stream'
import { request } from 'undici'
import { type Measured, startGateway, startScript, stop } from './process.ts'
import { median, round } from './statistics.ts'

/**
 * Bodies of 100 MiB both ways, through the gateway and through a bare stream pipe: `npm run bench:bodies`. Prints how
 * fast each is, the ratio (the median of rounds that take turns), and by how much the gateway's memory grows at most.
 * Fails below `SPEED` of the pipe, or if it grows by `GROWTH` MiB.
 */
const BYTES = 100 * 2 ** 20
const ROUNDS = 10
const SPEED = 0.9
const GROWTH = 32

const upstream = await startScript('upstream.ts', {}, 1)
const env = { UPSTREAM: upstream.url, QUIET: '1' }
const pipe = await startScript('subjects/pipe.ts', env, 0)
const sluice = await startGateway('subjects/sluice.ts', env)
const ways: [name: string, run: (subject: Measured, path: string) => Promise<void>][] = [
  ['down', down],
  ['up', up]
]
const chunk = Buffer.alloc(65_536)

for (const [name, run] of ways) {
  const speeds: Record<'pipe' | 'sluice', number[]> = { pipe: [], sluice: [] }
  let growth = 0
  for (let i = 0; i <= ROUNDS; i++) {
    const before = sluice.memory()
    const timer = setInterval(() => {
      growth = Math.max(growth, sluice.memory() - before)
    }, 10)
    const speed: Record<'pipe' | 'sluice', number> = { pipe: 0, sluice: 0 }
    // Whoever is second finds the caches as the first has left them.
    for (const subject of i % 2 === 0 ? (['sluice', 'pipe'] as const) : (['pipe', 'sluice'] as const))
      speed[subject] = await speedOf(() =>
        subject === 'sluice' ? run(sluice, '/plain/huge') : run(pipe, '/products/huge')
      )
    clearInterval(timer)
    if (i === 0) growth = 0
    else {
      speeds.sluice.push(speed.sluice)
      speeds.pipe.push(speed.pipe)
    }
  }
  const speed = median(speeds.sluice.map((speed, i) => speed / (speeds.pipe[i] as number)))
  const isShort = !(speed >= SPEED && growth < GROWTH * 2 ** 20)
  if (isShort) process.exitCode = 1
  console.log(
    `${isShort ? 'short' : 'ok   '} ${name}: sluice ${round(median(speeds.sluice), 0)} MiB/s, pipe ${round(median(speeds.pipe), 0)} MiB/s, ` +
      `ratio ${round(speed, 2)}, memory grows by ${round(growth / 2 ** 20, 1)} MiB at most`
  )
}
await Promise.all([stop(sluice), stop(pipe), stop(upstream)])

async function speedOf(run: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await run()
  return BYTES / 2 ** 20 / ((performance.now() - start) / 1000)
}

async function down({ url }: Measured, path: string): Promise<void> {
  const { body } = await request(`${url}${path}?bytes=${BYTES}`)
  let received = 0
  for await (const part of body) received += part.length
  if (received !== BYTES) throw new Error(`${received} bytes came down`)
}

async function up({ url }: Measured, path: string): Promise<void> {
  const { body } = await request(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(BYTES) },
    body: Readable.from(chunks(), { objectMode: false })
  })
  const received = await body.text()
  if (received !== String(BYTES)) throw new Error(`${received} bytes came up`)
}

async function* chunks(): AsyncGenerator<Buffer> {
  for (let sent = 0; sent < BYTES; sent += chunk.length) yield chunk
}
