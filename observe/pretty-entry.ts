import { styleText } from 'node:util'
import { sanitize } from './sanitize.ts'

type Entry = Record<string, unknown>
type Style = Parameters<typeof styleText>[0]

const LEVELS: Record<string, Style> = { fatal: 'red', error: 'red', warn: 'yellow', info: 'green' }
/** By the first digit of the status. */
const STATUSES: Record<string, Style> = { 2: 'green', 3: 'cyan', 4: 'yellow', 5: 'red' }
/** Members of Sluice's own entries without meaning for a developer, or shown in another place. */
const HIDDEN = new Set(['outcome', 'at', 'gateway', 'admin', 'reason'])
/**
 * The members in pino's order: level, time, process, ids of the request, those of the caller, message. Not parsed as one
 * object, because JSON.parse drops the first of two members with a name, such as a caller's own `time`.
 */
const ENTRY =
  /^\{"level":"(\w+)","time":(\d+),"pid":\d+,"hostname":"(?:[^"\\]|\\.)*"(,"reqId":"(?:[^"\\]|\\.)*"(?:,"trace":"[^"]*")?(?:,"span":"[^"]*")?)?(.*?)(?:,"msg":("(?:[^"\\]|\\.)*"))?\}$/

/**
 * Formats JSON log entries, each of which ends with a line break, as lines for people: a request with its path, status, time
 * and cause; other entries with their message, members and stack.
 * @param isOwn true if nothing but Sluice logs, so that members without meaning for a developer can be left out
 */
export function prettyEntries(entries: string, isOwn = false): string {
  return entries
    .split('\n')
    .slice(0, -1)
    .map(entry => `${format(entry, isOwn)}\n`)
    .join('')
}

function format(entry: string, isOwn: boolean): string {
  const parts = ENTRY.exec(entry)
  if (parts === null) return sanitize(entry)
  const [, level = '', at, ids, rest = '', quoted = '""'] = parts
  const time = new Date(Number(at)).toTimeString().slice(0, 8)
  const members: Entry = JSON.parse(`{${rest.slice(1)}}`)
  const msg: string = JSON.parse(quoted)
  const isExchange =
    ids !== undefined && /^exchange( aborted)?$/.test(msg) && typeof members.durationMs === 'number'
  return `${styleText('gray', time)} ${isExchange ? exchange(members) : message(level, msg, members, isOwn)}`
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

function message(level: string, msg: string, { err, ...entry }: Entry, isOwn: boolean): string {
  const isError = typeof err === 'object' && err !== null && ('message' in err || 'stack' in err)
  const shown = Object.entries(isError || err === undefined ? entry : { err, ...entry }).filter(
    ([name]) => !(isOwn && HIDDEN.has(name))
  )
  const details = [
    ...(isOwn && entry.reason ? String(entry.reason).split('\n') : []),
    ...(isError ? errorLines(err as Entry) : [])
  ]
  return [
    `${styleText(LEVELS[level] ?? 'gray', level.padEnd(5))} ${text(msg)}`,
    ...(shown.length > 0 ? [` ${styleText('gray', list(shown))}`] : []),
    ...details.map(line => `\n         ${sanitize(line)}`)
  ].join('')
}

function errorLines({ type, message, stack = '', cause, aggregateErrors = [], ...members }: Entry): string[] {
  // The stack begins with the name and message that the error was created with.
  const unseen = [type, message].filter(part => part !== undefined && !String(stack).includes(String(part)))
  const causes = [cause, ...(aggregateErrors as unknown[])].filter(one => one !== undefined)
  return [
    unseen.join(': '),
    ...String(stack).split('\n'),
    list(Object.entries(members)),
    ...causes.flatMap(one => {
      const [first, ...lines] =
        typeof one === 'object' && one !== null ? errorLines(one as Entry) : [text(one)]
      return [`caused by ${first}`, ...lines]
    })
  ].filter(line => line !== '')
}

function list(members: [string, unknown][]): string {
  return members.map(([name, value]) => `${text(name)}=${text(value)}`).join(' ')
}

function text(value: unknown): string {
  return sanitize(typeof value === 'object' ? JSON.stringify(value) : String(value ?? ''))
}
