import { fork } from 'node:child_process'
import { pino } from 'pino'
import { createCounters } from '../cluster/limit-counters.ts'
import { createLeasedLimiter } from '../limits/lease.ts'
import { createTier, type Limiter } from '../limits/limiter.ts'
import { createMemoryLimiter } from '../limits/memory-limiter.ts'
import { createSharedLimiter } from '../limits/supervisor-limiter.ts'

/**
 * What a decision costs a worker and its supervisor: `npm run bench:counters`. This process is the worker; forked, it is
 * the supervisor.
 */
const ROUNDS = 5
const DECISIONS = 40_000

if (process.send) {
  const counters = createCounters(100_000)
  process.on('message', message => {
    if (message === 'cpu') process.send?.({ cpu: process.cpuUsage() })
    else counters.answer(message, reply => process.send?.(reply))
  })
} else {
  const supervisor = fork(import.meta.filename)
  const shared = createSharedLimiter(supervisor as never, pino({ level: 'silent' }), 5_000)
  const memory = createMemoryLimiter(100_000)
  const limits = [{ limit: 1_000_000_000, window: 60_000, algorithm: 'sliding-window' as const }]
  const tier = createTier('t', { limits, redisAway: 'local', counting: 'leased' })
  const subjects: [name: string, limiter: Limiter, inFlight: number][] = [
    ['in memory, at once', memory, 64],
    ['leased, at once', createLeasedLimiter(shared), 64],
    ['exact, one after the other', shared, 1],
    ['exact, 64 at a time', shared, 64]
  ]
  for (const [name, limiter, inFlight] of subjects) {
    const rounds: number[][] = []
    for (let round = 0; round <= ROUNDS; round++) {
      const before = await usage()
      await decide(limiter, inFlight)
      const after = await usage()
      // The first one is for the compiler.
      if (round > 0)
        rounds.push(after.map((value, i) => ((value - (before[i] as number)) * 1_000) / DECISIONS))
    }
    const [wall, worker, own] = [0, 1, 2].map(i => median(rounds.map(round => round[i] as number)))
    console.log(
      `${name.padEnd(28)} ${wall} us each, CPU ${worker} us in the worker and ${own} us in the supervisor`
    )
  }
  supervisor.disconnect()

  function decide(limiter: Limiter, inFlight: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let begun = 0
      let done = 0
      const next = () => {
        const key = `consumer:${begun++ % 100}`
        let isAtOnce = true
        limiter.check(key, tier, 1, error => {
          if (error !== null) return reject(error)
          if (++done === DECISIONS) return resolve()
          if (begun >= DECISIONS) return
          // Not by recursion.
          if (isAtOnce) setImmediate(next)
          else next()
        })
        isAtOnce = false
      }
      for (let i = 0; i < inFlight; i++) next()
    })
  }

  /** Milliseconds: of the clock, of this process' CPU, and of the supervisor's. */
  async function usage(): Promise<number[]> {
    const answered = new Promise<NodeJS.CpuUsage>(resolve => {
      const take = (message: unknown) => {
        const { cpu } = message as { cpu?: NodeJS.CpuUsage }
        if (cpu === undefined) return
        supervisor.off('message', take)
        resolve(cpu)
      }
      supervisor.on('message', take)
    })
    supervisor.send('cpu')
    const sum = ({ user, system }: NodeJS.CpuUsage) => (user + system) / 1_000
    const theirs = sum(await answered)
    return [performance.now(), sum(process.cpuUsage()), theirs]
  }
}

function median(values: number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  return (sorted[Math.floor(sorted.length / 2)] as number).toFixed(1)
}
