import { styleText } from 'node:util'
import { sanitize } from './sanitize.ts'

type Entry = Record<string, unknown>
type Style = Parameters<typeof styleText>[0]

const LEVELS: Record<string, Style> = { fatal: 'red', error: 'red', warn: 'yellow', info: 'green' }
/** By the first digit of the status. */
const STATUSES: Record<string, Style> = { 2: 'green', 3: 'cyan', 4: 'yellow', 5: 'red' }
/** Members without meaning for a developer, or shown in another place. */
const HIDDEN = new Set([
  'time',
  'pid',
  'hostname',
  'reqId',
  'trace',
  'span',
  'reason',
  'err',
  'outcome',
  'at'
])

/**
 * Formats JSON log entries, each of which ends with a line break, as lines for people: a request with its path, status, time
 * and cause; other entries with their message, members and stack.
 */
export function prettyEntries(entries: string): string {
  return entries
    .split('\n')
    .slice(0, -1)
    .map(entry => `${format(JSON.parse(entry))}\n`)
    .join('')
}

function format(entry: Entry): string {
  const time = new Date(entry.time as number).toTimeString().slice(0, 8)
  const isExchange = typeof entry.method === 'string' && typeof entry.durationMs === 'number'
  return `${styleText('gray', time)} ${isExchange ? exchange(entry) : message(entry)}`
}

function exchange(entry: Entry): string {
  const { method, status, path, route, durationMs, upstream, consumer, cause, causeDetail, abortReason } =
    entry
  const style = STATUSES[String(status)[0] as string] ?? 'red'
  const failure = [cause, causeDetail, abortReason && `aborted: ${abortReason}`].filter(Boolean).join(': ')
  return [
    styleText(style, text(status ?? 'aborted')),
    text(method),
    text(path ?? route ?? '(no route)'),
    styleText('gray', [`${durationMs} ms`, upstream, consumer].filter(Boolean).map(text).join(', ')),
    styleText(style, text(failure))
  ]
    .filter(Boolean)
    .join(' ')
}

function message({ level, msg, ...entry }: Entry): string {
  const { reason, err } = entry
  const members = Object.entries(entry)
    .filter(([name, value]) => !HIDDEN.has(name) && !text(msg).includes(text(value)))
    .map(([name, value]) => `${text(name)}=${text(value)}`)
  const { stack, message } = (err ?? {}) as { stack?: unknown; message?: unknown }
  const details = [reason, stack ?? message].filter(Boolean).flatMap(detail => String(detail).split('\n'))
  return [
    `${styleText(LEVELS[level as string] ?? 'gray', text(level).padEnd(5))} ${text(msg)}`,
    ...(members.length > 0 ? [` ${styleText('gray', members.join(' '))}`] : []),
    ...details.map(line => `\n         ${sanitize(line)}`)
  ].join('')
}

function text(value: unknown): string {
  return sanitize(typeof value === 'object' ? JSON.stringify(value) : String(value ?? ''))
}
