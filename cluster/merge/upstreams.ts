import type { EndpointState } from '../../proxy/endpoints/endpoint.ts'
import type { ShownAction } from '../../proxy/upstream-action.ts'
import type { UpstreamState } from '../../proxy/upstream-types.ts'

/** Workers by the state that they report. Only present if they differ. */
type ByState = { workers?: Record<string, number[]> }

export type MergedUpstream = Omit<UpstreamState, 'breaker' | 'endpoints'> & {
  breaker: UpstreamState['breaker'] & ByState
  endpoints: (EndpointState & ByState)[]
}

interface Seen<State> {
  worker: number
  state: State
}

/** From best to worst. */
const BREAKER = ['closed', 'half-open', 'open'] as const
const HEALTH = ['healthy', 'ejected', 'unhealthy'] as const

/** Merges upstreams by name, in the order of the first worker: sums of counters, and the worst reported state. */
export function mergeUpstreams(seen: Seen<UpstreamState[]>[]): MergedUpstream[] {
  return group(seen, ({ name }) => name).map(states => {
    const [first] = states.map(({ state }) => state) as [UpstreamState]
    const breakers = states.map(({ worker, state }) => ({ worker, state: state.breaker }))
    const mirrors = states.flatMap(({ state }) => state.mirror ?? [])
    return {
      name: first.name,
      breaker: {
        ...sum(breakers.map(({ state }) => state)),
        ...worst(breakers, BREAKER),
        ...actionOf(breakers)
      },
      calls: sum(states.map(({ state }) => state.calls)),
      endpoints: group(
        states.map(({ worker, state }) => ({ worker, state: state.endpoints })),
        ({ url }) => url
      ).map(mergeEndpoint),
      ...(mirrors.length > 0 && { mirror: sum(mirrors) })
    }
  })
}

function mergeEndpoint(seen: Seen<EndpointState>[]): EndpointState & ByState {
  const states = seen.map(({ state }) => state)
  const [first] = states as [EndpointState]
  const checks = states.flatMap(({ check }) => check ?? [])
  const returns = states.flatMap(({ returnsIn }) => returnsIn ?? [])
  const { inFlight, calls, failures, ejections } = sum(
    states.map(({ inFlight, calls, failures, ejections }) => ({ inFlight, calls, failures, ejections }))
  )
  const measured = states.filter(({ calls }) => calls > 0)
  return {
    url: first.url,
    ...worst(seen, HEALTH),
    ...(returns.length > 0 && { returnsIn: Math.max(...returns) }),
    weight: first.weight,
    inFlight,
    calls,
    failures,
    // Weighted by calls.
    latency: measured.reduce((total, state) => total + state.latency * state.calls, 0) / Math.max(1, calls),
    ejections,
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
