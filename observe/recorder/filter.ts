import Type, { type Static } from 'typebox'
import { CAUSES } from '../../http/cause.ts'
import { createProblem } from '../../http/problem.ts'
import { toDayOrUtc } from '../../schemas/options/dates.ts'
import { withDefault } from '../../schemas/options/defaults.ts'
import type { StoredExchange } from './stored-exchange.ts'

/** Query of the recorder. An exchange must match all members. */
export const Filter = Type.Object(
  {
    route: Type.Optional(Type.String({ maxLength: 1_024 })),
    scope: Type.Optional(Type.String({ maxLength: 64 })),
    /** `404`, a class such as `4xx`, or `aborted`. */
    status: Type.Optional(Type.String({ pattern: '^([1-5][0-9]{2}|[1-5]xx|aborted)$' })),
    /** Why exchanges did not end well: one of http/cause.ts. */
    cause: Type.Optional(Type.String({ pattern: `^(${CAUSES.join('|')})$` })),
    consumer: Type.Optional(Type.String({ maxLength: 512 })),
    upstream: Type.Optional(Type.String({ maxLength: 64 })),
    /** Milliseconds. */
    minDuration: Type.Optional(Type.Number({ minimum: 0 })),
    failed: Type.Optional(Type.Boolean()),
    /** Earliest end, in epoch milliseconds or as an ISO date. */
    since: Type.Optional(Type.String({ maxLength: 32 })),
    requestId: Type.Optional(Type.String({ maxLength: 128 })),
    trace: Type.Optional(Type.String({ pattern: '^[0-9a-f]{32}$' })),
    limit: withDefault(Type.Integer({ minimum: 1, maximum: 10_000 }), 100)
  },
  { additionalProperties: false }
)
export type Filter = Static<typeof Filter>

const BadTime = createProblem('SLUICE_BAD_TIME', 'since must be an ISO date or milliseconds since 1970', 400)

/**
 * Returns a predicate for a filter.
 * @throws SLUICE_BAD_TIME (400) if `since` is not a time
 */
export function createFilter(filter: Partial<Filter>): (exchange: StoredExchange) => boolean {
  const {
    route,
    scope,
    status,
    cause,
    consumer,
    upstream,
    minDuration = 0,
    failed,
    requestId,
    trace
  } = filter
  const since = filter.since === undefined ? 0 : timeOf(filter.since)
  if (Number.isNaN(since)) throw new BadTime()
  return exchange =>
    exchange.endedAt >= since &&
    exchange.durationMs >= minDuration &&
    (route === undefined || exchange.route === route) &&
    (scope === undefined || exchange.scope === scope) &&
    (status === undefined || hasStatus(exchange, status)) &&
    (cause === undefined || exchange.cause === cause) &&
    (consumer === undefined || exchange.consumer === consumer) &&
    (upstream === undefined || exchange.upstream?.split(',').includes(upstream) === true) &&
    (failed === undefined || exchange.isFailed === failed) &&
    (requestId === undefined || exchange.text().requestId === requestId) &&
    (trace === undefined || exchange.text().traceparent.slice(3, 35) === trace)
}

function hasStatus({ status, abortReason }: StoredExchange, wanted: string): boolean {
  if (wanted === 'aborted') return abortReason !== undefined
  const actual = wanted.endsWith('xx') ? `${Math.floor(status / 100)}xx` : `${status}`
  return abortReason === undefined && actual === wanted
}

/** Returns epoch milliseconds, or NaN for text that is not a time. */
export function timeOf(since: string): number {
  if (/^\d+$/.test(since)) return Number(since)
  return Date.parse(toDayOrUtc(since) ?? '')
}
