import Type, { type Static } from 'typebox'
import { withDefault } from '../../schemas/defaults.ts'
import type { Recorded } from './record.ts'

/** What of the recorder is wanted. All that is given must be so. */
export const Filter = Type.Object(
  {
    route: Type.Optional(Type.String({ maxLength: 1_024 })),
    scope: Type.Optional(Type.String({ maxLength: 64 })),
    /** `404`, a class such as `4xx`, or `cut`. */
    status: Type.Optional(Type.String({ pattern: '^([1-5][0-9]{2}|[1-5]xx|cut)$' })),
    consumer: Type.Optional(Type.String({ maxLength: 512 })),
    upstream: Type.Optional(Type.String({ maxLength: 64 })),
    /** Milliseconds. */
    minDuration: Type.Optional(Type.Number({ minimum: 0 })),
    failed: Type.Optional(Type.Boolean()),
    /** Epoch milliseconds or an ISO date: what ended since then. */
    since: Type.Optional(Type.String({ maxLength: 32 })),
    requestId: Type.Optional(Type.String({ maxLength: 128 })),
    trace: Type.Optional(Type.String({ maxLength: 32 })),
    limit: withDefault(Type.Integer({ minimum: 1, maximum: 10_000 }), 100)
  },
  { additionalProperties: false }
)
export type Filter = Static<typeof Filter>

export function createFilter(filter: Partial<Filter>): (record: Recorded) => boolean {
  const { route, scope, status, consumer, upstream, minDuration = 0, failed, requestId, trace } = filter
  const since = timeOf(filter.since)
  return record =>
    record.endedAt >= since &&
    record.ms >= minDuration &&
    (route === undefined || record.route === route) &&
    (scope === undefined || record.scope === scope) &&
    (status === undefined || hasStatus(record, status)) &&
    (consumer === undefined || record.consumer === consumer) &&
    (upstream === undefined || record.upstream?.split(',').includes(upstream) === true) &&
    (failed === undefined || record.isFailed === failed) &&
    (requestId === undefined || record.heads().requestId === requestId) &&
    (trace === undefined || record.heads().traceparent.slice(3, 35) === trace)
}

function hasStatus({ status, cut }: Recorded, wanted: string): boolean {
  if (wanted === 'cut') return cut !== undefined
  return (
    cut === undefined && (wanted.endsWith('xx') ? `${Math.floor(status / 100)}xx` : `${status}`) === wanted
  )
}

/** A time that cannot be read is none: all is newer than nothing. */
function timeOf(since: string | undefined): number {
  if (since === undefined) return 0
  const time = /^\d+$/.test(since) ? Number(since) : Date.parse(since)
  return Number.isNaN(time) ? 0 : time
}
