import autocannon, { type Client, type Request } from 'autocannon'
import type { Measured } from './process.ts'
import type { Subject } from './subjects.ts'

export interface Sample {
  /** Microseconds of the subject's CPU a request. */
  cpu: number
  /** Requests a second. */
  rate: number
  /** Milliseconds. */
  p50: number
  p99: number
}

export interface LoadOptions {
  connections: number
  seconds: number
}

/** One round: `subject` gets its requests, shared out among the connections. @throws if an answer is another. */
export async function load(
  subject: Pick<Subject, 'name' | 'requests' | 'status'>,
  { url, cpu }: Measured,
  options: LoadOptions
): Promise<Sample> {
  const { name, status = 200 } = subject
  const before = cpu()
  const result = await autocannon({
    url,
    connections: options.connections,
    duration: options.seconds,
    setupClient: shareOut(subject.requests, options.connections)
  })
  const spent = cpu() - before
  const { requests: done, latency, errors, duration } = result
  const counted = (result as unknown as { statusCodeStats: Record<string, { count: number }> })
    .statusCodeStats
  // A breaker has to be opened, a limit to be used up.
  const others = Object.entries(counted).filter(([code]) => Number(code) !== status)
  const strange = others.reduce((sum, [, { count }]) => sum + count, errors)
  if (strange > options.connections * 2)
    throw new Error(`${name}: ${JSON.stringify(counted)}, ${errors} errors`)
  return { cpu: spent / done.total, rate: done.total / duration, p50: latency.p50, p99: latency.p99 }
}

/** Until this process ends. */
export function loadAlways(
  { requests, status = 200 }: Pick<Subject, 'requests' | 'status'>,
  url: string,
  connections: number
): { answered: number; strange: number } {
  const counts = { answered: 0, strange: 0 }
  const setupClient = shareOut(requests, connections)
  const options = { url, connections, duration: 86_400, timeout: 3_600, setupClient }
  const instance = autocannon(options, () => {})
  instance.on('response', (_client, code) => {
    counts.answered++
    if (code !== status) counts.strange++
  })
  return counts
}

/** So many requests, whatever is answered. */
export async function loadRequests(
  { requests }: Pick<Subject, 'requests'>,
  { url }: Pick<Measured, 'url'>,
  amount: number
): Promise<void> {
  const connections = 64
  await autocannon({ url, connections, amount, setupClient: shareOut(requests, connections) })
}

function shareOut(requests: Request[], connections: number): (client: Client) => void {
  let connection = 0
  return client => {
    client.setRequests(requests.filter((_, i) => i % connections === connection % requests.length))
    connection++
  }
}
