import type { ClusterStatus } from '../cluster-types.ts'
import { type Problem, toIso } from './problem.ts'

/** Milliseconds for which a crash counts as a problem. */
const RECENT = 600_000

/** Problems of the workers and of reloads. */
export function* processProblems(status: ClusterStatus, now: number): Generator<Problem> {
  const { state, workers, crashes, lastReload } = status
  if (state !== 'ready')
    yield {
      kind: 'not-ready',
      severity: 'critical',
      subject: 'gateway',
      message:
        state === 'draining'
          ? 'The gateway is stopping and accepts no connections.'
          : 'No worker accepts connections; the log tells why.',
      since: null,
      page: 'deploys'
    }
  for (const { id, pid, state } of workers)
    if (state === 'unresponsive')
      yield {
        kind: 'worker-unresponsive',
        severity: 'warning',
        subject: `worker ${id}`,
        message: `The event loop of worker ${id} (pid ${pid}) is blocked; the worker is replaced if it stays so. Look for long synchronous work in routes and plugins.`,
        since: null,
        page: 'deploys'
      }
  const { last, nextStartAt } = crashes
  if (last !== undefined && (nextStartAt !== undefined || now - last.at < RECENT))
    yield {
      kind: 'worker-crashed',
      severity: nextStartAt === undefined ? 'warning' : 'critical',
      subject: `pid ${last.pid}`,
      message: `A worker crashed: ${last.reason}. ${nextStartAt === undefined ? 'It was replaced' : 'Its replacement starts soon'}; the log has the error.`,
      since: toIso(last.at),
      page: 'deploys'
    }
  if (lastReload?.outcome === 'failed')
    yield {
      kind: 'reload-failed',
      severity: 'warning',
      subject: 'reload',
      message: `The last reload failed, so the old workers stay: ${lastReload.reason}. Fix it and reload again.`,
      since: toIso(lastReload.at),
      page: 'deploys'
    }
}
