/** JSON of the admin API, by the types of the modules that make it. Times are epoch ms or ISO instants, durations ms. */

import type { CaptureDescription } from '../../admin/recorder-routes.ts'
import type { MergedUpstream } from '../../cluster/merge/upstreams.ts'
import type { Detail } from '../../observe/recorder/show.ts'
import type { RoutePattern } from '../../observe/route-patterns.ts'
import type { ServedRoute } from '../../observe/served-routes.ts'
import type { UpstreamAction } from '../../proxy/upstream-action.ts'

export type { ActionRecord } from '../../cluster/cluster-actions.ts'
export type { FrequentCause } from '../../cluster/failure-deltas.ts'
export type { HistoryView as History } from '../../cluster/history.ts'
export type { MergedLimits as Limits } from '../../cluster/merge/limits.ts'
export type { Problem } from '../../cluster/problems/problem.ts'
export type { RouteRate } from '../../cluster/route-rates.ts'
export type { Deploys, Overview } from '../../cluster/views.ts'
export type { ShownBody as Body } from '../../observe/recorder/decode.ts'
export type { Detail, Summary } from '../../observe/recorder/show.ts'
export type { ShownAttempt as Attempt } from '../../observe/recorder/show-attempts.ts'
export type { ShownAction } from '../../proxy/upstream-action.ts'
export type { VersionStatus } from '../../versions/registry.ts'

export type Message = Pick<Detail['request'], 'headers' | 'body'>
export type Upstream = MergedUpstream
export type Breaker = MergedUpstream['breaker']
export type Endpoint = MergedUpstream['endpoints'][number]
export type ActionName = UpstreamAction['action'] | 'reset'
export type Route = ServedRoute & { patterns: RoutePattern[] }

export type Capture = CaptureDescription & {
  match: { consumer?: string; route?: string; header?: { name: string } }
}
