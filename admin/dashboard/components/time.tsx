import { formatDay, formatDuration, formatTime, formatUtc } from '../format.ts'
import { now } from '../store/clock.ts'

type Instant = number | string | null | undefined

const toEpoch = (at: Exclude<Instant, null | undefined>): number =>
  typeof at === 'number' ? at : Date.parse(at)

/** A time in the local zone, with UTC in the title. `at`: epoch ms or an ISO date. */
export function Time({ at }: { at: Instant }) {
  if (at == null || Number.isNaN(toEpoch(at))) return <>–</>
  const epoch = toEpoch(at)
  return (
    <time dateTime={new Date(epoch).toISOString()} title={formatUtc(epoch)}>
      {formatTime(epoch, now.value)}
    </time>
  )
}

/** `since 14:03:05 (3 min 5 s)`. */
export function Since({ at }: { at: Instant }) {
  if (at == null) return null
  return (
    <span class="since">
      since <Time at={at} /> ({formatDuration(Math.max(0, roundToSecond(now.value - toEpoch(at))))})
    </span>
  )
}

/** `until 14:03:05 (3 min 5 s)`. */
export function Until({ at }: { at: Instant }) {
  if (at == null) return null
  const left = roundToSecond(toEpoch(at) - now.value)
  return (
    <span class="since">
      until <Time at={at} /> {left > 0 && `(${formatDuration(left)})`}
    </span>
  )
}

/** `14:03:05 (3 min ago)`. */
export function Ago({ at }: { at: Instant }) {
  if (at == null) return <>never</>
  return (
    <span class="since">
      <Time at={at} /> ({formatAge(now.value - toEpoch(at))})
    </span>
  )
}

function formatAge(ms: number): string {
  return ms < 1_000 ? 'now' : `${formatDuration(roundToSecond(ms))} ago`
}

const roundToSecond = (ms: number): number => Math.round(ms / 1_000) * 1_000

/** `30 Nov 2026 (in 395 d)`. */
export function Day({ at }: { at: Instant }) {
  if (at == null) return <>–</>
  const epoch = toEpoch(at)
  const distance = formatDuration(Math.abs(roundToSecond(epoch - now.value)))
  return (
    <span>
      <time dateTime={new Date(epoch).toISOString()} title={formatUtc(epoch)}>
        {formatDay(epoch)}
      </time>{' '}
      <span class="since">({epoch > now.value ? `in ${distance}` : `${distance} ago`})</span>
    </span>
  )
}
