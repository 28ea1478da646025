import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Operator } from '../admin/sessions.ts'
import type { ActionsApplied, ActionsMessage, UpstreamAction } from '../proxy/upstream-action.ts'
import type { Cluster, ClusterWorker } from './cluster-types.ts'

/** Actions of operators on upstreams, in all workers, including those that start later. They end with the supervisor. */
export interface ClusterActions {
  /** Starts an action, which replaces one on the same breaker or endpoint. Undefined if there are too many. */
  start(action: NewAction): Promise<StartedAction> | undefined
  /** Closes a breaker at once, and ends an action that holds it open. */
  reset(action: Omit<NewAction, 'action' | 'until' | 'endpoint'>): Promise<StartedAction>
  /** Ends an action early. Returns undefined if none of this id is active. */
  end(id: string, by: Operator): Promise<StartedAction> | undefined
  /** Active actions, then ended ones; the latest first. */
  list(): ActionRecord[]
  active(): readonly UpstreamAction[]
  /** Handles a message of a worker, to which `reply` sends. Returns false for other messages. */
  handle(worker: number, message: unknown, reply: (message: object) => void): boolean
}

export interface NewAction {
  upstream: string
  endpoint?: string
  action: UpstreamAction['action']
  /** Epoch milliseconds. */
  until: number
  reason?: string
  operator: Operator
}

/** An action as operators see it. Times are ISO instants. */
export interface ActionRecord {
  id: string
  upstream: string
  endpoint?: string
  action: UpstreamAction['action'] | 'reset'
  /** Undefined for `reset`, which is over at once. */
  until?: string
  reason?: string
  by: string
  address: string
  startedAt: string
  state: 'active' | 'ended'
  endedAt?: string
  /** Name of the operator who ended it; undefined if its time was up. */
  endedBy?: string
}

export interface StartedAction {
  action: ActionRecord
  /** Workers that have not confirmed it in time; they apply it once they respond. */
  missing: ClusterWorker[]
}

export const MAX_ACTIVE = 64
/** Ended actions that are remembered. */
const MAX_ENDED = 20
/** Milliseconds that a worker has to confirm. */
const TIMEOUT = 1_000
/** Milliseconds between two looks at the clock, which may be set while an action is active. */
const CHECK = 1_000

/** @param broadcast sends a message to all workers */
export function createClusterActions(
  cluster: Pick<Cluster, 'workers'>,
  broadcast: (message: object) => void,
  log: () => FastifyBaseLogger
): ClusterActions {
  const active: ActionRecord[] = []
  const ended: ActionRecord[] = []
  /** Last revision that each worker has applied. */
  const applied = new Map<number, number>()
  let waiting: (() => void)[] = []
  let revision = 0
  let timer: NodeJS.Timeout | undefined

  return {
    start({ upstream, endpoint, action, until, reason, operator }) {
      const replaced = active.find(one => one.upstream === upstream && one.endpoint === endpoint)
      if (replaced === undefined && active.length >= MAX_ACTIVE) return undefined
      if (replaced !== undefined) finish(replaced, operator.name)
      const record: ActionRecord = {
        id: randomUUID(),
        upstream,
        ...(endpoint !== undefined && { endpoint }),
        action,
        until: new Date(until).toISOString(),
        ...(reason !== undefined && { reason }),
        by: operator.name,
        address: operator.address,
        startedAt: now(),
        state: 'active'
      }
      active.unshift(record)
      timer ??= setInterval(expire, CHECK).unref()
      log().warn(record, 'operator action started')
      return send(record)
    },
    reset({ upstream, reason, operator }) {
      const forced = active.find(one => one.upstream === upstream && one.action === 'open')
      if (forced !== undefined) finish(forced, operator.name)
      const at = now()
      const record: ActionRecord = {
        id: randomUUID(),
        upstream,
        action: 'reset',
        ...(reason !== undefined && { reason }),
        by: operator.name,
        address: operator.address,
        startedAt: at,
        state: 'ended',
        endedAt: at
      }
      remember(record)
      log().warn(record, 'operator action started')
      return send(record, upstream)
    },
    end(id, { name }) {
      const record = active.find(action => action.id === id)
      if (record === undefined) return undefined
      finish(record, name)
      return send(record)
    },
    list: () => [...active, ...ended],
    active: orders,
    handle(worker, message, reply) {
      const { type, revision: of } = (message ?? {}) as Partial<ActionsApplied>
      if (type !== 'actions-applied') return false
      applied.set(worker, Number(of))
      if (of === 0 && active.length > 0) reply(messageOf())
      for (const check of waiting) check()
      return true
    }
  }

  function orders(): UpstreamAction[] {
    return active.map(({ id, upstream, endpoint, action, startedAt, until, by, reason }) => ({
      id,
      upstream,
      ...(endpoint !== undefined && { endpoint }),
      action: action as UpstreamAction['action'],
      startedAt,
      until: until as string,
      by,
      ...(reason !== undefined && { reason })
    }))
  }

  function messageOf(reset?: string): ActionsMessage {
    return { type: 'actions', revision, actions: orders(), ...(reset !== undefined && { reset }) }
  }

  /** Sends all actions, and resolves when all workers have applied them, or did not confirm in time. */
  async function send(action: ActionRecord, reset?: string): Promise<StartedAction> {
    const sent = ++revision
    broadcast(messageOf(reset))
    const late = () =>
      cluster.workers().filter(({ id, state }) => state !== 'starting' && (applied.get(id) ?? 0) < sent)
    await new Promise<void>(resolve => {
      const end = setTimeout(settle, TIMEOUT)
      waiting.push(check)
      check()

      function check(): void {
        if (late().length === 0) settle()
      }
      function settle(): void {
        clearTimeout(end)
        waiting = waiting.filter(one => one !== check)
        resolve()
      }
    })
    return { action, missing: late() }
  }

  function finish(record: ActionRecord, by?: string): void {
    active.splice(active.indexOf(record), 1)
    Object.assign(record, { state: 'ended', endedAt: now(), ...(by !== undefined && { endedBy: by }) })
    remember(record)
    if (active.length === 0) {
      clearInterval(timer)
      timer = undefined
    }
    log().warn(record, 'operator action ended')
  }

  function remember(record: ActionRecord): void {
    ended.unshift(record)
    ended.length = Math.min(ended.length, MAX_ENDED)
  }

  /** Ends actions whose time is up. By the wall clock, by which the operator has set it. */
  function expire(): void {
    const running = new Set(cluster.workers().map(({ id }) => id))
    for (const id of applied.keys()) if (!running.has(id)) applied.delete(id)
    const due = active.filter(({ until = '' }) => Date.parse(until) <= Date.now())
    for (const record of due) finish(record)
    for (const record of due.slice(-1)) void send(record)
  }
}

function now(): string {
  return new Date().toISOString()
}
