import type { EndpointState } from '../../proxy/endpoints/endpoint.ts'

/** A slow endpoint takes this many times as long as the median of its peers, and this many ms longer. */
const RATIO = 3
const DIFFERENCE = 100

/** Returns the median latency of the other endpoints in ms if the endpoint gets calls and is much slower; otherwise undefined. */
export function peerLatencyOf(endpoint: EndpointState, all: readonly EndpointState[]): number | undefined {
  const { state, calls, latency, action } = endpoint
  if (state !== 'healthy' || action !== undefined || calls === 0) return undefined
  const latencies = all
    .filter(other => other !== endpoint && other.calls > 0)
    .map(({ latency }) => latency)
    .sort((a, b) => a - b)
  const median = latencies[Math.floor((latencies.length - 1) / 2)]
  return median !== undefined && latency >= median * RATIO && latency - median >= DIFFERENCE
    ? median
    : undefined
}
