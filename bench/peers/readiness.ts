import type { ChildProcess } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'

/** Milliseconds. */
const TIMEOUT = 20_000

/**
 * Resolves when `url` responds with success, or asks for a token.
 * @throws if the process exits first, or after 20 s
 */
export async function untilReady(name: string, child: ChildProcess, url: string): Promise<void> {
  const deadline = performance.now() + TIMEOUT
  let last = 'no response'
  while (performance.now() < deadline) {
    if (child.pid === undefined) throw new Error(`${name} did not start`)
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`${name} exited with ${child.exitCode ?? child.signalCode} before it was ready`)
    last = await request(`${url}/products/1`)
    if (last === 'success') return
    await setTimeout(50)
  }
  throw new Error(`${name} was not ready within ${TIMEOUT} ms: ${last}`)
}

/** Rejects after 20 s; for `Promise.race`. */
export async function startTimeout(name: string): Promise<never> {
  await setTimeout(TIMEOUT, undefined, { ref: false })
  throw new Error(`${name} did not start within ${TIMEOUT} ms`)
}

async function request(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
    await response.arrayBuffer()
    return response.ok || response.status === 401 ? 'success' : `status ${response.status}`
  } catch (error) {
    return String((error as Error).cause ?? error)
  }
}
