import type { Summary } from '../../observe/recorder/show.ts'

/** The latest first, by their end, as each of the lists is. */
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
 * The items of a JSON object's last member, an array, as their text, and all that stands before them. Bodies are too
 * large to be read and written again by a process that has others to see to.
 */
export function splitLast(body: Buffer, member: string, end: string): { head: Buffer; items: Buffer } {
  // Within a text its quotes would be escaped.
  const name = `"${member}":[`
  const start = body.indexOf(name) + name.length
  return { head: body.subarray(0, start), items: body.subarray(start, body.length - end.length) }
}

/** Items that are texts, as those of one array between `head` and `end`. */
export function joinItems(head: Buffer, items: Buffer[], end: string): Buffer {
  const all = items.filter(({ length }) => length > 0)
  const between = all.flatMap((one, i) => (i === 0 ? [one] : [COMMA, one]))
  return Buffer.concat([head, ...between, Buffer.from(end)])
}

const COMMA = Buffer.from(',')
