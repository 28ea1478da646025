import type { Endpoint } from './types.ts'

export interface Slowness {
  /** Milliseconds. */
  latency: number
  /** Median of the other endpoints in milliseconds. */
  peers: number
}

/** An endpoint is slow from three times the latency of its peers, if that makes a difference of this many ms. */
const FACTOR = 3
const DIFFERENCE = 100

/** Returns how slow an endpoint is beside its peers; undefined if it is not slow. */
export function slownessOf(url: string, endpoints: Endpoint[]): Slowness | undefined {
  const called = endpoints.filter(({ calls }) => calls > 0)
  const latency = called.find(endpoint => endpoint.url === url)?.latency
  const others = called.filter(endpoint => endpoint.url !== url).map(endpoint => endpoint.latency)
  const peers = others.toSorted((a, b) => a - b)[Math.floor((others.length - 1) / 2)]
  if (latency === undefined || peers === undefined) return undefined
  return latency >= FACTOR * peers && latency - peers >= DIFFERENCE ? { latency, peers } : undefined
}
