import { loadConfig } from '../cluster/config.ts'
import { type Command, columns, configOption, jsonOption } from './command.ts'
import { rehearse } from './rehearsal.ts'
import { callsInWords, duration, type ServedRoute, size, tableOf } from './table.ts'

export const command: Command = {
  options: { ...configOption, ...jsonOption },
  help: `sluice routes [--config FILE] [--json]

Lists what a config serves, of the gateway that it makes; nothing listens and nothing is connected to. HEAD is served
wherever GET is. "upstream?" is an optional part of a composition; "(chosen)" a version that the request asks for beside
its path.

  -c, --config FILE  fastify.config.ts
      --json         an array, times in ms, sizes in bytes`,
  async run({ config: file, json }, _positionals, { print, env }) {
    const config = await loadConfig(file as string, env)
    const { routes } = await rehearse(config)
    const table = tableOf(routes, config)
    if (json) print(JSON.stringify(table, null, 2))
    else if (table.length === 0) print('no route is served')
    else print(...columns([HEAD, ...table.map(rowOf)]))
    return 0
  }
}

const HEAD = ['METHODS', 'PATH', 'SCOPE', 'VERSION', 'AUTH', 'LIMITS', 'DEADLINE', 'BODY', 'CALLS']

function rowOf(route: ServedRoute): string[] {
  const { methods, path, scope, version, isChosen, issuer, limits, calls, deadline, bodyLimit } = route
  return [
    methods.join(','),
    path,
    scope ?? '-',
    version === undefined ? '-' : isChosen ? `${version} (chosen)` : version,
    issuer ?? 'public',
    limits.map(({ by, tier }) => `${by}:${tier}`).join(' ') || '-',
    duration(deadline),
    methods.every(method => BODYLESS.has(method)) ? '-' : size(bodyLimit),
    callsInWords(calls)
  ]
}

const BODYLESS = new Set(['GET', 'HEAD', 'TRACE'])
