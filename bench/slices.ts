import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LoaderTask } from './loader.ts'
import { type Measured, startScript, stop } from './process.ts'
import type { Subject } from './subjects.ts'

export interface SliceOptions {
  rounds: number
  /** Rounds before them, for the compiler and the caches; 20 if not given. */
  warmUp?: number
  connections: number
  /** After the warm-up. */
  onBegin?(): Promise<unknown>
  onTurn?(turn: Turn): void
}

export interface Turn {
  gateway: number
  /** By `performance.now()`. */
  from: number
  to: number
  /** Microseconds. */
  cpu: number
  answered: number
}

export interface Gateway {
  process: Measured
  url: string
}

/**
 * For differences of a few per cent: microseconds of CPU a request, a list for each gateway, with a figure a round.
 *
 * A machine that others use too changes its speed many times a second, so each is loaded for `SLICE` ms at a time, in an order
 * that is drawn anew each time. Each has a process that loads it, stopped (SIGSTOP) when it is not its turn.
 */
export async function measureInSlices(
  subject: Subject,
  gateways: Gateway[],
  { rounds, warmUp = 20, connections, onBegin, onTurn }: SliceOptions
): Promise<number[][]> {
  const loaders = await Promise.all(gateways.map(() => startScript('loader.ts', {}, 1)))
  try {
    const runs = gateways.map(({ process, url }, i) => {
      const { child } = loaders[i] as Measured
      child.send({ subject, url, connections } satisfies LoaderTask)
      child.kill('SIGSTOP')
      return { process, child, answered: 0, samples: [] as number[] }
    })
    for (let round = -warmUp; round < rounds; round++) {
      if (round === 0) await onBegin?.()
      for (const run of shuffled(runs)) {
        const start = run.process.cpu()
        const from = performance.now()
        run.child.kill('SIGCONT')
        await sleep(SLICE)
        run.child.send('count')
        const [{ answered, strange }] = await once(run.child, 'message')
        run.child.kill('SIGSTOP')
        // What it has been sent it still answers.
        await sleep(REST)
        if (strange > 0) throw new Error(`${subject.name}: ${strange} answers were others`)
        const turn = { cpu: run.process.cpu() - start, answered: answered - run.answered }
        run.answered = answered
        if (round < 0) continue
        run.samples.push(turn.cpu / turn.answered)
        onTurn?.({ gateway: runs.indexOf(run), from, to: performance.now(), ...turn })
      }
    }
    return runs.map(({ samples }) => samples)
  } finally {
    for (const { child } of loaders) child.kill('SIGCONT')
    await Promise.all(loaders.map(stop))
  }
}

function shuffled<T>(items: T[]): T[] {
  const drawn = items.map(item => ({ item, at: Math.random() }))
  return drawn.sort((a, b) => a.at - b.at).map(({ item }) => item)
}

/** Milliseconds. */
const SLICE = 100
const REST = 10
