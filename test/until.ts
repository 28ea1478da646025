import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until `condition` holds, asking for it again and again. @throws after `limit` ms. */
export async function until(condition: () => unknown, limit = 20_000): Promise<void> {
  const end = Date.now() + limit
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${limit} ms: ${condition}`)
    await sleep(10)
  }
}
