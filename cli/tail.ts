import type { ParseArgsConfig } from 'node:util'
import { Filter, timeOf } from '../observe/recorder/filter.ts'
import type { Summary } from '../observe/recorder/show.ts'
import { faultsOf } from '../schemas/options/faults.ts'
import { adminOption, callAdmin, findAdmin, problemIn } from './admin.ts'
import { type Command, configOption, jsonOption, plain, UsageError, type Values } from './command.ts'

/** The admin side's own, by their option: `minDuration` is `--min-duration`. It says what may be in them. */
const FILTERS = new Map(
  Object.entries(Filter.properties)
    .filter(([name]) => name !== 'limit')
    .map(([name, { type }]) => [
      toKebab(name),
      { name, type: type === 'boolean' ? ('boolean' as const) : ('string' as const) }
    ])
)
const filterOptions = Object.fromEntries(
  [...FILTERS].map(([option, { type }]) => [option, { type }])
) as NonNullable<ParseArgsConfig['options']>

export const command: Command = {
  options: {
    ...configOption,
    ...jsonOption,
    ...adminOption,
    ...filterOptions,
    count: { type: 'string', short: 'n' }
  },
  help: `sluice tail [--config FILE] [--admin URL] [--json] [-n COUNT] [FILTER]…

Follows the exchanges of a gateway that runs, as they end, by its recorder: one line each, redacted as the recorder
does. All filters that are given must fit.

  -c, --config FILE      whose admin side to ask, with its token (fastify.config.ts)
      --admin URL        ask this one instead, with the token in SLUICE_ADMIN_TOKEN; no config is read
      --json             each as a line of JSON, as it comes
  -n, --count COUNT      end after that many
      --route ROUTE      a route's pattern: /api/v1/orders/:id
      --scope NAME       --upstream NAME   --consumer SUB
      --status STATUS    404, 5xx, or cut
      --failed           answered 5xx, or cut short
      --min-duration MS  --since TIME      --request-id ID   --trace ID`,
  async run(values, _positionals, { print, env, signal }) {
    const wanted = countOf(values)
    checkFilters(values)
    const admin = await findAdmin(values, env)
    const response = await callAdmin(admin, `/exchanges/live?${queryOf(values)}`, { signal })
    if (response.status === 404) throw new Error(`${admin.url} has no recorder: its size is 0 in the config`)
    if (!response.ok) {
      const [title = '', ...faults] = await problemIn(response)
      if (response.status === 400) throw new UsageError((faults.map(toOption).join('; ') || title).trim())
      print(...[title, ...faults].map(plain))
      return 1
    }
    let count = 0
    for await (const line of linesOf(response)) {
      if (line === '') continue
      print(values.json ? line : lineOf(read(line, admin.url)))
      if (++count === wanted) return 0
    }
    throw new Error(`${admin.url} has ended the stream`)
  }
}

/** Characters that a line may have: an exchange has far fewer. */
const MAX_LINE = 1_048_576

/** Until the stream ends, or breaks. */
async function* linesOf({ body }: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of body ?? []) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() as string
      yield* lines
      if (rest.length > MAX_LINE) return
    }
  } catch {
    // The gateway is gone.
  }
}

function read(line: string, url: string): Summary | { missed: number } {
  try {
    return JSON.parse(line)
  } catch {
    throw new Error(`${url} does not send exchanges`)
  }
}

function countOf({ count }: Values): number {
  if (count === undefined) return Number.POSITIVE_INFINITY
  if (!/^[1-9]\d{0,8}$/.test(String(count))) throw new UsageError('--count must be a whole number, 1 or more')
  return Number(count)
}

/** Describes the values of each filter, for people. */
const FORMS: Record<string, string> = {
  status: 'a status such as 404, a class such as 5xx, or cut',
  'min-duration': 'a number of milliseconds',
  since: 'an ISO date such as 2026-11-29T12:00:00Z, or milliseconds since 1970',
  trace: '32 hexadecimal digits in lower case'
}

/** @throws UsageError for a value that no exchange can have, which would be waited for in vain. */
function checkFilters(values: Values): void {
  for (const [option, { name }] of FILTERS) {
    const value = values[option]
    if (typeof value !== 'string') continue
    const given = name === 'minDuration' ? Number(value || Number.NaN) : value
    const isWrong =
      value === '' ||
      faultsOf(Filter, { limit: 1, [name]: given }).length > 0 ||
      (name === 'since' && Number.isNaN(timeOf(value)))
    if (isWrong) throw new UsageError(`--${option} must be ${FORMS[option] ?? 'a shorter name'}`)
  }
}

/** Turns the path of a fault into its option: `/scope must …` into `--scope must …`. */
function toOption(fault: string): string {
  return fault.trim().replace(/^\/(?:querystring\/)?(\w+)/, (_path, name: string) => `--${toKebab(name)}`)
}

function toKebab(name: string): string {
  return name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}

function queryOf(values: Values): URLSearchParams {
  const query = new URLSearchParams()
  for (const [option, { name }] of FILTERS)
    if (values[option] !== undefined) query.set(name, String(values[option]))
  return query
}

/** What a reader missed is told in between. */
function lineOf(exchange: Summary | { missed: number }): string {
  if ('missed' in exchange) return `(${exchange.missed} not shown: too many at once)`
  const { at, method, url, status, cut, ms, scope, version, upstream, endpoint, attempts = 0 } = exchange
  const { consumer, tier, limit } = exchange
  const to =
    upstream && `-> ${upstream}${endpoint ? ` ${endpoint}` : ''}${attempts > 1 ? ` x${attempts}` : ''}`
  return plain(
    [
      at.slice(11, 23),
      cut === undefined ? status : `${status || '---'} ${cut}`,
      `${ms.toFixed(1)}ms`,
      method,
      url,
      scope && `[${scope}${version ? ` ${version}` : ''}]`,
      to,
      consumer && `by ${consumer}`,
      limit && `${tier}: ${limit}`
    ]
      .filter(Boolean)
      .join(' ')
  )
}
