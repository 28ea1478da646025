import { loadConfig } from '../cluster/config.ts'
import {
  describeCalls,
  formatDuration,
  formatSize,
  routeTable,
  type ServedRoute
} from '../observe/served-routes.ts'
import { alignColumns, type Command, configOption, jsonOption } from './command.ts'
import { startDryRun } from './dry-run.ts'

export const command: Command = {
  options: { ...configOption, ...jsonOption },
  help: `sluice routes [--config FILE] [--json]

Lists the routes of a config. Nothing listens, and nothing is connected to. HEAD is served wherever GET is. "upstream?"
is an optional part of a composition. "(chosen)" is a version chosen by header, media type or query.

  -c, --config FILE  config file (default: fastify.config.ts)
      --json         print a JSON array, with times in ms and sizes in bytes`,
  async run({ config: file, json }, _positionals, { print, env }) {
    const config = await loadConfig(file as string, env)
    const { routes } = await startDryRun(config)
    const table = routeTable(routes, config)
    if (json) print(JSON.stringify(table, null, 2))
    else if (table.length === 0) print('no routes')
    else print(...alignColumns([HEADER, ...table.map(toRow)]))
    return 0
  }
}

const HEADER = ['METHODS', 'PATH', 'SCOPE', 'VERSION', 'AUTH', 'LIMITS', 'DEADLINE', 'BODY', 'CALLS']

function toRow(route: ServedRoute): string[] {
  const { methods, path, scope, version, isChosen, issuer, limits, calls, deadline, bodyLimit } = route
  return [
    methods.join(','),
    path,
    scope ?? '-',
    version === undefined ? '-' : isChosen ? `${version} (chosen)` : version,
    issuer ?? 'public',
    limits.map(({ by, tier }) => `${by}:${tier}`).join(' ') || '-',
    formatDuration(deadline),
    methods.every(method => BODYLESS.has(method)) ? '-' : formatSize(bodyLimit),
    describeCalls(calls)
  ]
}

const BODYLESS = new Set(['GET', 'HEAD', 'TRACE'])
