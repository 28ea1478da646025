/** Numbers with units. A missing value is a dash. */

const MISSING = '–'

/** `0.42/s`, `12.3/s`, `1,240/s`. */
export function formatRate(perSecond: number | null | undefined): string {
  return perSecond == null ? MISSING : `${short(perSecond)}/s`
}

/** `0 %`, `0.04 %`, `12.5 %`, of a ratio from 0 to 1. */
export function formatRatio(ratio: number | null | undefined): string {
  return ratio == null ? MISSING : `${short(ratio * 100)} %`
}

/** `0.4 ms`, `340 ms`, `1.25 s`, `3 min 5 s`, `2 h 5 min`, `3 d 4 h`, `395 d`. */
export function formatDuration(ms: number | null | undefined): string {
  if (ms == null) return MISSING
  if (ms < 1_000) return `${short(ms)} ms`
  if (ms < 60_000) return `${short(ms / 1_000)} s`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 3_600) return join(Math.floor(seconds / 60), 'min', seconds % 60, 's')
  const minutes = Math.round(seconds / 60)
  if (minutes < 1_440) return join(Math.floor(minutes / 60), 'h', minutes % 60, 'min')
  const hours = Math.round(minutes / 60)
  return hours < 240
    ? join(Math.floor(hours / 24), 'd', hours % 24, 'h')
    : `${formatCount(Math.round(hours / 24))} d`
}

/** `812 B`, `4 KiB`, `1.5 MiB`. */
export function formatBytes(bytes: number | null | undefined): string {
  if (bytes == null) return MISSING
  const units = ['B', 'KiB', 'MiB', 'GiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  return `${short(bytes / 1_024 ** power)} ${units[power]}`
}

/** `1,240`. */
export function formatCount(count: number | null | undefined): string {
  return count == null ? MISSING : count.toLocaleString('en')
}

/** `14:03:05` today, otherwise `30 Nov 14:03:05`, in the local zone. */
export function formatTime(epochMs: number, now: number): string {
  const date = new Date(epochMs)
  const time = date.toLocaleTimeString('en-GB')
  if (date.toDateString() === new Date(now).toDateString()) return time
  const year = date.getFullYear() === new Date(now).getFullYear() ? undefined : ('numeric' as const)
  return `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year })} ${time}`
}

/** `30 Nov 2026` in the local zone. */
export function formatDay(epochMs: number): string {
  return new Date(epochMs).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })
}

/** `14:03` in the local zone. */
export function formatClock(epochMs: number): string {
  return new Date(epochMs).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })
}

/** `14:03:05.120 UTC` with its day, for titles. */
export function formatUtc(epochMs: number): string {
  return new Date(epochMs).toISOString().replace('T', ' ').replace('Z', ' UTC')
}

/** Three significant digits, thousands separated. */
function short(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en', { maximumFractionDigits: digits })
}

function join(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`
}
