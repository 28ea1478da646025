import type { ChildProcess } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'

const PATIENCE = 20_000

/** Settles once `url` answers a request with success. Throws if its process ends before, or after 20 s. */
export async function untilAnswers(name: string, child: ChildProcess, url: string): Promise<void> {
  const deadline = performance.now() + PATIENCE
  let outcome = 'nothing'
  while (performance.now() < deadline) {
    if (child.pid === undefined) throw new Error(`${name} could not be started`)
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode} before it answered`)
    outcome = await request(`${url}/products/1`)
    if (outcome === 'success') return
    await setTimeout(50)
  }
  throw new Error(`${name} did not answer within ${PATIENCE} ms: ${outcome}`)
}

/** For a race with what has no bound of its own. */
export async function tooLate(name: string): Promise<never> {
  await setTimeout(PATIENCE, undefined, { ref: false })
  throw new Error(`${name} did not start within ${PATIENCE} ms`)
}

async function request(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
    await response.arrayBuffer()
    return response.ok ? 'success' : `status ${response.status}`
  } catch (error) {
    return String((error as Error).cause ?? error)
  }
}
