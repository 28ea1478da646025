import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { startRedis } from '../testing/redis-server.ts'
import { startIssuer } from './issuer.ts'
import { startScript, startSubject, stop } from './process.ts'
import { measureInSlices, type Turn } from './slices.ts'
import { createSubjects } from './subjects.ts'

/**
 * Where it goes what line and recorder cost: `npm run bench:turns`, or `-- recorder 40` for something else that SEEN knows, and
 * for other than 60 functions. Microseconds a request by function, without it and with it, most of the difference first:
 * first all that is below a function, then the function by itself.
 *
 * Of gateways in one process that take turns (see slices.ts), under `perf record`: native code, the kernel and V8's threads
 * are there too, and each sample is put down to the gateway whose turn it was. Linux, with `perf`.
 */
const [, , SEEN = 'line,recorder', COUNT = '60'] = process.argv
const GATEWAYS = ['', SEEN, '', SEEN]
const ROUNDS = 120
/** Of `performance.now()`, by the clock that perf is told to use, in milliseconds. */
const ORIGIN = Number(process.hrtime.bigint()) / 1e6 - performance.now()

const endings: (() => unknown)[] = []
const issuer = await startIssuer(1_000)
endings.push(issuer.close)
const redis = await startRedis({ teardown: end => void endings.push(end) })
const upstream = await startScript('upstream.ts', {}, 1)
endings.push(() => stop(upstream))
const folder = await mkdtemp(join(tmpdir(), 'sluice-turns-'))
endings.push(() => rm(folder, { recursive: true }))
const data = join(folder, 'perf.data')

try {
  const env = {
    UPSTREAM: upstream.url,
    ISSUER: issuer.issuer,
    REDIS_URL: redis.url,
    SEEN: GATEWAYS.join(';')
  }
  const measured = await startSubject('subjects/sluice.ts', env, ['--perf-basic-prof'])
  endings.push(() => stop(measured))
  const subject = createSubjects(issuer).find(({ name }) => name === 'stack, unseen')
  if (subject === undefined) throw new Error('there is no such subject')
  const turns: Turn[] = []
  const perf = ['record', '-k', 'CLOCK_MONOTONIC', '-F', '4000', '-g', '-o', data]
  let recording: ReturnType<typeof spawn> | undefined
  const gateways = measured.urls.map(url => ({ process: measured, url }))
  await measureInSlices(subject, gateways, {
    rounds: ROUNDS,
    connections: 64,
    async onBegin() {
      recording = spawn('perf', [...perf, '-p', String(measured.child.pid)], { stdio: 'ignore' })
      await once(recording, 'spawn')
      await sleep(1_000)
    },
    onTurn: turn => void turns.push(turn)
  })
  if (recording === undefined) throw new Error('nothing was recorded')
  const end = once(recording, 'exit')
  recording.kill('SIGINT')
  await end
  await print(turns)
} finally {
  for (const end of endings.reverse()) await end()
}
process.exit(0)

async function print(turns: Turn[]): Promise<void> {
  const below = new Map<string, [number, number]>()
  const alone = new Map<string, [number, number]>()
  const samples: [number, number] = [0, 0]
  let i = 0
  for await (const { at, frames } of readSamples()) {
    while (i < turns.length && (turns[i] as Turn).to < at) i++
    const turn = turns[i]
    if (turn === undefined || at < turn.from) continue
    const which = GATEWAYS[turn.gateway] === '' ? 0 : 1
    samples[which]++
    if (frames[0] !== undefined) countUp(alone, frames[0], which)
    for (const frame of new Set(frames)) countUp(below, frame, which)
  }
  const cost = [0, 1].map(which => {
    const those = turns.filter(({ gateway }) => (GATEWAYS[gateway] === '' ? 0 : 1) === which)
    return sumOf(those, 'cpu') / sumOf(those, 'answered')
  }) as [number, number]
  const unit = [cost[0] / samples[0], cost[1] / samples[1]] as const
  console.log(
    `${cost[0].toFixed(1)} us a request without ${SEEN}, ${cost[1].toFixed(1)} with it: ${(cost[1] / cost[0]).toFixed(3)} x`
  )
  for (const [title, counts] of [
    ['with all below it', below],
    ['by itself', alone]
  ] as const) {
    console.log(`\n     more      +/-  without     with   ${title}`)
    const rows = [...counts].map(([name, [a, b]]) => {
      const [without, its] = [a * unit[0], b * unit[1]]
      return { name, without, its, error: Math.hypot(Math.sqrt(a) * unit[0], Math.sqrt(b) * unit[1]) }
    })
    rows.sort((x, y) => Math.abs(y.its - y.without) - Math.abs(x.its - x.without))
    for (const { name, without, its, error } of rows.slice(0, Number(COUNT))) {
      const figures = [its - without, error, without, its].map(us => us.toFixed(2).padStart(9))
      console.log(`${figures.join('')}   ${name}`)
    }
  }
}

/** Of what `perf script` prints: a line that says when, then a frame a line, the innermost first, then an empty one. */
async function* readSamples(): AsyncGenerator<{ at: number; frames: string[] }> {
  const script = spawn('perf', ['script', '-i', data, '-F', 'comm,tid,time,ip,sym'], {
    stdio: ['ignore', 'pipe', 'ignore']
  })
  let at = Number.NaN
  let frames: string[] = []
  for await (const line of createInterface(script.stdout)) {
    const [, seconds] = /\s(\d+\.\d+):\s*$/.exec(line) ?? []
    if (seconds !== undefined) {
      at = Number(seconds) * 1_000 - ORIGIN
      frames = []
    } else if (line.trim() !== '') frames.push(nameOf(line))
    else if (!Number.isNaN(at)) {
      yield { at, frames }
      at = Number.NaN
    }
  }
}

/** Without its address, and without what V8 says of how well it has compiled it. */
function nameOf(frame: string): string {
  const [, symbol = frame] = /^\s*[0-9a-f]+\s+(.*)$/.exec(frame) ?? []
  return symbol
    .replace(/^(\w+:)[*^~+']?/, '$1')
    .replace(/file:\/\/\S*\/(?=node_modules\/|plugins\/|routes\/)/, '')
}

function countUp(counts: Map<string, [number, number]>, name: string, which: 0 | 1): void {
  let counted = counts.get(name)
  if (counted === undefined) {
    counted = [0, 0]
    counts.set(name, counted)
  }
  counted[which]++
}

function sumOf(turns: Turn[], what: 'cpu' | 'answered'): number {
  return turns.reduce((sum, turn) => sum + turn[what], 0)
}
