/**
 * Reads times strictly. `Date.parse` takes `10` for a month, 31 November for 1 December, and a time without a zone for one
 * in the machine's zone.
 */

/** RFC 3339, 5.6, also as Java (seconds optional, no colon in the offset) and SQL (a space) write it. */
const INSTANT =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):?[0-5]\d)$/
const DATE = /^(\d{4})-(\d\d)-(\d\d)$/

/** Returns true for an RFC 3339 instant with a zone, on a valid day. */
export function isInstant(value: string): boolean {
  const [, year, month, day] = INSTANT.exec(value) ?? []
  return year !== undefined && isDay(Number(year), Number(month), Number(day))
}

/**
 * Returns an instant in UTC, such as `2026-11-24T10:00:00.000Z`, with all digits of its fraction, or undefined.
 * @param value an RFC 3339 instant, or epoch ms
 */
export function toUtc(value: string | number): string | undefined {
  if (typeof value === 'number') {
    const date = new Date(value)
    return Number.isInteger(value) && !Number.isNaN(date.getTime()) ? inFourDigits(date) : undefined
  }
  if (!isInstant(value)) return undefined
  const fraction = INSTANT.exec(value)?.[7]?.replace(/0+$/, '') ?? ''
  // Date keeps three digits of the fraction. Offsets are whole minutes, so they do not change it.
  const zone = /(?:[Zz]|[+-]\d\d:?\d\d)$/.exec(value)?.[0] as string
  const time = value.slice(0, -zone.length).replace(/\.\d+$/, '')
  const offset = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone
  const utc = inFourDigits(new Date((time + offset).toUpperCase().replace(' ', 'T')))
  return utc?.replace('000Z', `${fraction.padEnd(3, '0')}Z`)
}

/** RFC 3339 has no years beyond 9999. JavaScript writes those with a sign and six digits. */
function inFourDigits(date: Date): string | undefined {
  const utc = date.toISOString()
  return /^\d{4}-/.test(utc) ? utc : undefined
}

/** Returns a day such as `2026-12-01` unchanged, an instant in UTC as `toUtc` does, or undefined. */
export function toDayOrUtc(value: string | number): string | undefined {
  const [, year, month, day] = DATE.exec(String(value)) ?? []
  if (year === undefined) return toUtc(value)
  return isDay(Number(year), Number(month), Number(day)) ? String(value) : undefined
}

function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}
