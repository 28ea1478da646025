import type { UpstreamAction } from '../../proxy/upstream-action.ts'
import type { ClusterStatus } from '../cluster-types.ts'
import type { History } from '../history.ts'
import type { MergedCredentials } from '../merge/credentials.ts'
import type { MergedLimits } from '../merge/limits.ts'
import type { MergedUpstream } from '../merge/upstreams.ts'
import { credentialProblems } from './credential-problems.ts'
import { limitProblems } from './limit-problems.ts'
import { loadProblems } from './load-problems.ts'
import type { Problem } from './problem.ts'
import { processProblems } from './process-problems.ts'
import { actionProblem, upstreamProblems } from './upstream-problems.ts'

export interface ProblemSources {
  status: ClusterStatus
  /** Undefined if no worker responds. */
  upstreams: MergedUpstream[] | undefined
  limits: MergedLimits | undefined
  credentials: MergedCredentials | undefined
  actions: readonly UpstreamAction[]
  history: Pick<History, 'latest' | 'growth' | 'failingSince'>
  /** True if names of consumers may be shown. */
  showsNames: boolean
  /** Epoch milliseconds. */
  now: number
}

/** Returns what is wrong now, critical problems first. */
export function problemsOf(sources: ProblemSources): Problem[] {
  const { status, upstreams = [], limits, credentials, actions, history, showsNames, now } = sources
  const broken = upstreams.filter(({ breaker }) => breaker.state !== 'closed')
  const problems = [
    ...processProblems(status, now),
    ...upstreams.flatMap(upstream => [...upstreamProblems(upstream)]),
    ...actions.map(actionProblem),
    ...limitProblems(limits, history.latest(), showsNames),
    ...loadProblems(history, new Set(broken.map(({ name }) => name))),
    ...(credentials === undefined ? [] : credentialProblems(credentials, now))
  ]
  return [
    ...problems.filter(({ severity }) => severity === 'critical'),
    ...problems.filter(({ severity }) => severity === 'warning')
  ]
}
