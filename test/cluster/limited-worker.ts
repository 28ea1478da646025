import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { LimitCounters } from '../../cluster/limit-counters.ts'
import type { TierOptions } from '../../schemas/options/rate-limit.ts'
import { call, type Ending } from '../harness.ts'

/** Processes that share limits through this one: limited.ts is what they run. */
export type Tiers = Record<string, Partial<TierOptions>>

export interface LimitedWorker {
  child: ChildProcess
  /** The answer's status to a request from that address. */
  ask(tier: string, address: string): Promise<number>
  askFor(tier: string, address: string): ReturnType<typeof call>
}

/** Patient (`timeout`: ms), so that a busy machine is not an outage. */
export async function startLimited(
  t: Ending,
  counters: LimitCounters,
  tiers: Tiers,
  timeout = 20_000
): Promise<LimitedWorker> {
  const child = fork(join(import.meta.dirname, 'limited.ts'), [JSON.stringify(tiers), '2', `${timeout}`], {
    stdio: ['pipe', 'inherit', 'inherit', 'ipc']
  })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const listening = new Promise<string>(resolve => {
    child.on('message', message => {
      const { url } = message as { url?: string }
      if (url !== undefined) resolve(url)
      else counters.reply(message, reply => child.connected && child.send(reply as never))
    })
  })
  const url = await listening
  const askFor = (tier: string, address: string) =>
    call(`${url}/${tier}`, { headers: { 'x-forwarded-for': address } })
  return { child, askFor, ask: async (tier, address) => (await askFor(tier, address)).status }
}

export const perHour = (limit: number, more: Partial<TierOptions> = {}): Partial<TierOptions> => ({
  limits: [{ limit, window: 3_600_000 } as never],
  ...more
})
