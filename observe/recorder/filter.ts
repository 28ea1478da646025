import createError from '@fastify/error'
import Type, { type Static } from 'typebox'
import { toDayOrUtc } from '../../schemas/options/dates.ts'
import { withDefault } from '../../schemas/options/defaults.ts'
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
    trace: Type.Optional(Type.String({ pattern: '^[0-9a-f]{32}$' })),
    limit: withDefault(Type.Integer({ minimum: 1, maximum: 10_000 }), 100)
  },
  { additionalProperties: false }
)
export type Filter = Static<typeof Filter>

const BadTime = createError(
  'SLUICE_BAD_TIME',
  'since must be an ISO date or milliseconds since 1970',
  400,
  Error,
  false
)

/** @throws 400 if `since` is not a time. */
export function createFilter(filter: Partial<Filter>): (record: Recorded) => boolean {
  const { route, scope, status, consumer, upstream, minDuration = 0, failed, requestId, trace } = filter
  const since = filter.since === undefined ? 0 : timeOf(filter.since)
  if (Number.isNaN(since)) throw new BadTime()
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

/** Returns epoch milliseconds, or NaN for text that is not a time. */
export function timeOf(since: string): number {
  if (/^\d+$/.test(since)) return Number(since)
  return Date.parse(toDayOrUtc(since) ?? '')
}
