import type { Summary } from '../../observe/recorder/show.ts'

/** Merges lists that are sorted by the end of the exchanges, latest first. */
export function mergeExchanges<Exchange extends Pick<Summary, 'at' | 'durationMs'>>(
  lists: Exchange[][],
  limit: number
): Exchange[] {
  return lists
    .flat()
    .map(exchange => ({ exchange, endedAt: Date.parse(exchange.at) + exchange.durationMs }))
    .sort((a, b) => b.endedAt - a.endedAt)
    .slice(0, limit)
    .map(({ exchange }) => exchange)
}

/**
 * Splits the text of a JSON object before the items of its last member, an array. Parsing and serializing bodies again
 * would block the supervisor for too long.
 */
export function splitLast(body: Buffer, member: string, end: string): { head: Buffer; items: Buffer } {
  // Inside a string the quotes would be escaped.
  const name = `"${member}":[`
  const start = body.indexOf(name) + name.length
  return { head: body.subarray(0, start), items: body.subarray(start, body.length - end.length) }
}

/** Joins JSON texts as the items of one array between `head` and `end`. */
export function joinItems(head: Buffer, items: Buffer[], end: string): Buffer {
  const all = items.filter(({ length }) => length > 0)
  const between = all.flatMap((one, i) => (i === 0 ? [one] : [COMMA, one]))
  return Buffer.concat([head, ...between, Buffer.from(end)])
}

const COMMA = Buffer.from(',')
