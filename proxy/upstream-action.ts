import type { Channel } from '../supervisor-channel.ts'

/** An operator's order about an upstream that holds for a time, in all workers. */
export interface UpstreamAction {
  id: string
  upstream: string
  /** URL as in `GET /upstreams`; undefined for `open`. */
  endpoint?: string
  /**
   * - `drain`: the endpoint gets no new calls.
   * - `eject`: also ends its calls in flight, which are retried elsewhere where the retry options allow it.
   * - `open`: the breaker rejects all calls.
   */
  action: 'drain' | 'eject' | 'open'
  /** ISO instants. */
  startedAt: string
  until: string
  /** Name of the operator. */
  by: string
  reason?: string
}

/** Part of an action that is shown with what it concerns. */
export type ShownAction = Pick<UpstreamAction, 'id' | 'action' | 'until' | 'by'>

/** Sent by the supervisor: all actions that hold now. They replace earlier ones. */
export interface ActionsMessage {
  type: 'actions'
  revision: number
  actions: UpstreamAction[]
  /** Name of an upstream whose breaker closes and forgets its counts. */
  reset?: string
}

/** Sent by a worker once it has applied a message, and when it starts, with revision 0. */
export interface ActionsApplied {
  type: 'actions-applied'
  revision: number
}

/** The receiving end of actions: an upstream. */
export interface Actionable {
  readonly name: string
  /** Applies these actions, and ends all others. */
  act(actions: readonly UpstreamAction[]): void
  /** Closes the breaker at once and forgets its counts. */
  reset(): void
}

/**
 * Applies the actions of the supervisor (cluster/cluster-actions.ts), from before the first connection on.
 * Returns a function that stops it.
 */
export function followActions(channel: Channel, upstreams: readonly Actionable[]): () => void {
  channel.on('message', receive)
  send(0)
  return () => void channel.off('message', receive)

  function receive(message: unknown): void {
    const { type, revision, actions, reset } = (message ?? {}) as ActionsMessage
    if (type !== 'actions') return
    for (const upstream of upstreams) {
      upstream.act(actions.filter(action => action.upstream === upstream.name))
      if (reset === upstream.name) upstream.reset()
    }
    send(revision)
  }

  function send(revision: number): void {
    channel.send?.(
      { type: 'actions-applied', revision } satisfies ActionsApplied,
      undefined,
      undefined,
      () => {}
    )
  }
}

export function shownAction({ id, action, until, by }: UpstreamAction): ShownAction {
  return { id, action, until, by }
}
