import type { BreakerState, BreakerTimes, BreakerTransition } from '../../proxy/breaker-types.ts'
import type { EndpointState } from '../../proxy/endpoints/endpoint.ts'
import type { ShownAction } from '../../proxy/upstream-action.ts'
import type { UpstreamState } from '../../proxy/upstream-types.ts'
import { peerLatencyOf } from './peer-latency.ts'

/** Workers by the state that they report. Only present if they differ. */
type ByState = { workers?: Record<string, number[]> }

export type MergedUpstream = Omit<UpstreamState, 'breaker' | 'endpoints'> & {
  breaker: UpstreamState['breaker'] & ByState
  endpoints: MergedEndpoint[]
}

type MergedEndpoint = EndpointState &
  ByState & {
    /** Median latency of the other endpoints in ms. Only present if this one is much slower. */
    peerLatency?: number
  }

interface Seen<State> {
  worker: number
  state: State
}

/** From best to worst. */
const BREAKER = ['closed', 'half-open', 'open'] as const
const HEALTH = ['healthy', 'ejected', 'unhealthy'] as const
/** Milliseconds within which breakers of several workers change together. */
const TOGETHER = 1_000
const MAX_HISTORY = 20

/** Merges upstreams by name, in the order of the first worker: sums of counters, and the worst reported state. */
export function mergeUpstreams(seen: Seen<UpstreamState[]>[]): MergedUpstream[] {
  return group(seen, ({ name }) => name).map(states => {
    const [first] = states.map(({ state }) => state) as [UpstreamState]
    const breakers = states.map(({ worker, state }) => ({ worker, state: state.breaker }))
    const counts = breakers.map(
      ({ state: { since: _, until: __, lastTriedAt: ___, history: ____, ...counts } }) => counts
    )
    const state = worst(breakers, BREAKER)
    const mirrors = states.flatMap(({ state }) => state.mirror ?? [])
    const endpoints = group(
      states.map(({ worker, state }) => ({ worker, state: state.endpoints })),
      ({ url }) => url
    ).map(mergeEndpoint)
    return {
      name: first.name,
      breaker: {
        ...sum(counts),
        ...state,
        ...mergeTimes(
          breakers.map(({ state }) => state),
          state.state
        ),
        ...actionOf(breakers)
      },
      calls: sum(states.map(({ state }) => state.calls)),
      endpoints: endpoints.map(endpoint => {
        const peerLatency = peerLatencyOf(endpoint, endpoints)
        return { ...endpoint, ...(peerLatency !== undefined && { peerLatency }) }
      }),
      ...(mirrors.length > 0 && { mirror: sum(mirrors) })
    }
  })
}

/** Orders ISO instants. */
function compare(one: string, other: string): number {
  return Date.parse(one) - Date.parse(other)
}

/** Merges the times of the breakers that are in the reported state, and the history of all. */
function mergeTimes(breakers: UpstreamState['breaker'][], reported: BreakerState): BreakerTimes {
  // Some try while others are still open.
  const those = breakers.filter(({ state }) => (state === 'closed') === (reported === 'closed'))
  const lastTriedAt = those
    .flatMap(({ lastTriedAt }) => lastTriedAt ?? [])
    .sort()
    .at(-1)
  const ends = those.flatMap(({ until }) => until ?? [])
  const until = ends.sort().at(-1)
  return {
    since: those.map(({ since }) => since).sort()[0] as string,
    ...(lastTriedAt !== undefined && { lastTriedAt }),
    ...(until !== undefined && { until }),
    history: mergeHistories(breakers.map(({ history }) => history))
  }
}

/** Returns the changes of all workers by time. Breakers that change together, as shared ones do, count as one. */
function mergeHistories(histories: BreakerTransition[][]): BreakerTransition[] {
  const merged: BreakerTransition[] = []
  for (const change of histories.flat().sort((a, b) => compare(a.at, b.at))) {
    const same = merged.findLast(({ state }) => state === change.state)
    if (same === undefined || Date.parse(change.at) - Date.parse(same.at) > TOGETHER)
      merged.push({ ...change })
    else if (same.cause === undefined && change.cause !== undefined) same.cause = change.cause
  }
  return merged.slice(-MAX_HISTORY)
}

function mergeEndpoint(seen: Seen<EndpointState>[]): EndpointState & ByState {
  const states = seen.map(({ state }) => state)
  const [first] = states as [EndpointState]
  const checks = states.flatMap(({ check }) => check ?? [])
  const ejectedUntil = states
    .flatMap(({ ejectedUntil }) => ejectedUntil ?? [])
    .sort()
    .at(-1)
  const [lastError] = states.flatMap(({ lastError }) => lastError ?? []).sort((a, b) => compare(b.at, a.at))
  const { inFlight, calls, failures, ejections } = sum(
    states.map(({ inFlight, calls, failures, ejections }) => ({ inFlight, calls, failures, ejections }))
  )
  const measured = states.filter(({ calls }) => calls > 0)
  return {
    url: first.url,
    ...worst(seen, HEALTH),
    ...(ejectedUntil !== undefined && { ejectedUntil }),
    weight: first.weight,
    inFlight,
    calls,
    failures,
    // Weighted by calls.
    latency: measured.reduce((total, state) => total + state.latency * state.calls, 0) / Math.max(1, calls),
    ejections,
    ...(lastError !== undefined && { lastError }),
    ...actionOf(seen),
    ...(checks.length > 0 && {
      check: {
        passed: Math.min(...checks.map(({ passed }) => passed)),
        failed: Math.max(...checks.map(({ failed }) => failed))
      }
    })
  }
}

/** The supervisor gives all workers the same actions; one may have applied them later. */
function actionOf(seen: Seen<{ action?: ShownAction }>[]): { action?: ShownAction } {
  const action = seen.find(({ state }) => state.action !== undefined)?.state.action
  return action === undefined ? {} : { action }
}

function group<State>(seen: Seen<State[]>[], keyOf: (state: State) => string): Seen<State>[][] {
  const groups = new Map<string, Seen<State>[]>()
  for (const { worker, state: states } of seen)
    for (const state of states) {
      const key = keyOf(state)
      const known = groups.get(key)
      if (known === undefined) groups.set(key, [{ worker, state }])
      else known.push({ worker, state })
    }
  return [...groups.values()]
}

/** Sums the numbers of all; other members are those of the first. */
function sum<Counts extends object>(all: Counts[]): Counts {
  const [first = {}, ...others] = all as Record<string, unknown>[]
  const total = { ...first }
  for (const other of others)
    for (const [name, value] of Object.entries(other))
      if (typeof value === 'number') total[name] = Number(total[name] ?? 0) + value
  return total as Counts
}

function worst<State extends string>(
  seen: Seen<{ state: State }>[],
  order: readonly State[]
): { state: State } & ByState {
  const workers: Partial<Record<State, number[]>> = {}
  for (const { worker, state } of seen) {
    const name = state.state
    workers[name] ??= []
    workers[name].push(worker)
  }
  const found = order.filter(state => workers[state] !== undefined)
  return { state: found.at(-1) as State, ...(found.length > 1 && { workers: workers as never }) }
}
