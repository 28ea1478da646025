import type { ParseArgsConfig } from 'node:util'
import { CAUSES } from '../http/cause.ts'
import { Filter, timeOf } from '../observe/recorder/filter.ts'
import type { Summary } from '../observe/recorder/show.ts'
import { didYouMean } from '../schemas/options/did-you-mean.ts'
import { faultsOf } from '../schemas/options/faults.ts'
import { adminOption, callAdminApi, describeProblem, resolveAdminApi } from './admin-client.ts'
import { type Command, configOption, jsonOption, sanitize, UsageError, type Values } from './command.ts'

/** Filters of the admin API by option name: `--min-duration` for `minDuration`. */
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

Follows the exchanges of a running gateway, one line each, redacted by its recorder. Shows exchanges that match all
filters.

  -c, --config FILE      config with the address and token of the admin API (default: fastify.config.ts)
      --admin URL        admin API to call, with the token in SLUICE_ADMIN_TOKEN; the config is not read
      --json             print one JSON object per line
  -n, --count COUNT      end after COUNT exchanges
      --route ROUTE      URL pattern of a route, such as /api/v1/orders/:id
      --scope NAME       --upstream NAME   --consumer SUB
      --status STATUS    status (404), class (5xx), or aborted
      --cause CAUSE      why exchanges did not end well, such as connection-refused
      --failed           5xx and aborted exchanges
      --min-duration MS  --since TIME      --request-id ID   --trace ID`,
  async run(values, _positionals, { print, env, signal }) {
    const maxCount = parseCount(values)
    checkFilters(values)
    const admin = await resolveAdminApi(values, env)
    const response = await callAdminApi(admin, `/exchanges/live?${queryOf(values)}`, { signal })
    if (response.status === 404)
      throw new Error(`${admin.url} has no recorder: recorder.size is 0 in its config`)
    if (!response.ok) {
      const [title = '', ...faults] = await describeProblem(response)
      if (response.status === 400) throw new UsageError((faults.map(toOption).join('; ') || title).trim())
      print(...[title, ...faults].map(sanitize))
      return 1
    }
    let count = 0
    for await (const line of linesOf(response)) {
      if (line === '') continue
      print(values.json ? line : format(parse(line, admin.url)))
      if (++count === maxCount) return 0
    }
    throw new Error(`${admin.url} closed the stream`)
  }
}

/** Characters. Lines of the recorder are much shorter. */
const MAX_LINE = 1_048_576

/** Yields lines until the stream ends or breaks. */
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
    // The connection broke, which the caller treats like the end.
  }
}

function parse(line: string, url: string): Summary | { missed: number } {
  try {
    return JSON.parse(line)
  } catch {
    throw new Error(`${url} does not send exchanges: is it the admin API?`)
  }
}

function parseCount({ count }: Values): number {
  if (count === undefined) return Number.POSITIVE_INFINITY
  if (!/^[1-9]\d{0,8}$/.test(String(count))) throw new UsageError('--count must be a whole number, 1 or more')
  return Number(count)
}

/** Valid values of filters, for error messages. */
const FORMS: Record<string, string> = {
  cause: 'one of the causes, such as connection-refused',
  status: 'a status such as 404, a class such as 5xx, or aborted',
  'min-duration': 'a number of milliseconds',
  since: 'an ISO date such as 2026-11-29T12:00:00Z, or milliseconds since 1970',
  trace: '32 hexadecimal digits in lower case'
}

/** @throws UsageError for a value that no exchange can have: tail would wait forever. */
function checkFilters(values: Values): void {
  for (const [option, { name }] of FILTERS) {
    const value = values[option]
    if (typeof value !== 'string') continue
    const parsed = name === 'minDuration' ? Number(value || Number.NaN) : value
    const isInvalid =
      value === '' ||
      faultsOf(Filter, { limit: 1, [name]: parsed }).length > 0 ||
      (name === 'since' && Number.isNaN(timeOf(value)))
    const hint = name === 'cause' ? didYouMean(value, CAUSES) : ''
    if (isInvalid) throw new UsageError(`--${option} must be ${FORMS[option] ?? 'a shorter name'}${hint}`)
  }
}

/** Replaces the path of a fault by its option: `/scope must …` becomes `--scope must …`. */
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

/** `missed`: exchanges that were too fast for this reader. */
function format(exchange: Summary | { missed: number }): string {
  if ('missed' in exchange) return `(${exchange.missed} exchanges skipped: too many at once)`
  const { at, method, url, status, abortReason, durationMs, scope, version } = exchange
  const { upstream, endpoint, attempts = 0, cause, causeDetail } = exchange
  const { consumer, tier, limit } = exchange
  const to =
    upstream && `-> ${upstream}${endpoint ? ` ${endpoint}` : ''}${attempts > 1 ? ` x${attempts}` : ''}`
  return sanitize(
    [
      at.slice(11, 23),
      abortReason === undefined ? status : `${status || '---'} ${abortReason}`,
      `${durationMs.toFixed(1)}ms`,
      method,
      url,
      scope && `[${scope}${version ? ` ${version}` : ''}]`,
      to,
      consumer && `by ${consumer}`,
      limit && `${tier}: ${limit}`,
      cause && `(${causeDetail === undefined ? cause : `${cause}: ${causeDetail}`})`
    ]
      .filter(Boolean)
      .join(' ')
  )
}
