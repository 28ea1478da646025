import autocannon, { type Client, type Request } from 'autocannon'
import type { MeasuredProcess } from './process.ts'
import type { Subject } from './subjects.ts'

export interface Sample {
  /** Microseconds of the subject's CPU time per request. */
  cpu: number
  /** Requests per second. */
  rate: number
  /** Milliseconds. */
  p50: number
  p99: number
}

export interface LoadOptions {
  connections: number
  seconds: number
}

/**
 * Loads `subject` for one round, with its requests distributed over the connections.
 * @throws for errors and unexpected statuses
 */
export async function load(
  subject: Pick<Subject, 'name' | 'requests' | 'status'>,
  { url, cpu }: MeasuredProcess,
  options: LoadOptions
): Promise<Sample> {
  const { name, status = 200 } = subject
  const before = cpu()
  const result = await autocannon({
    url,
    connections: options.connections,
    duration: options.seconds,
    setupClient: distribute(subject.requests, options.connections)
  })
  const used = cpu() - before
  const { requests, latency, errors, duration } = result
  const { statusCodeStats } = result as unknown as { statusCodeStats: Record<string, { count: number }> }
  const unexpected = Object.entries(statusCodeStats)
    .filter(([code]) => Number(code) !== status)
    .reduce((sum, [, { count }]) => sum + count, errors)
  // The first requests of some subjects open a breaker or use up a limit.
  if (unexpected > options.connections * 2)
    throw new Error(`${name}: ${JSON.stringify(statusCodeStats)}, ${errors} errors`)
  return { cpu: used / requests.total, rate: requests.total / duration, p50: latency.p50, p99: latency.p99 }
}

/** Sends `amount` requests and ignores the responses. */
export async function loadRequests(
  { requests }: Pick<Subject, 'requests'>,
  { url }: Pick<MeasuredProcess, 'url'>,
  amount: number
): Promise<void> {
  const connections = 64
  await autocannon({ url, connections, amount, setupClient: distribute(requests, connections) })
}

function distribute(requests: Request[], connections: number): (client: Client) => void {
  let connection = 0
  return client => {
    client.setRequests(requests.filter((_, i) => i % connections === connection % requests.length))
    connection++
  }
}
