import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Polls until `condition` holds.
 * @throws after `limit` ms
 */
export async function until(condition: () => unknown, limit = 20_000): Promise<void> {
  const end = Date.now() + limit
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`timed out after ${limit} ms: ${condition}`)
    await sleep(10)
  }
}
