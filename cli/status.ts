import { styleText } from 'node:util'
import { type AdminApi, adminOption, callAdminApi, describeProblem, resolveAdminApi } from './admin-client.ts'
import { type Command, configOption, jsonOption, sanitize, UsageError } from './command.ts'
import { describeStatus, type Overview, type UpstreamStatus } from './status-report.ts'

export const command: Command = {
  options: { ...configOption, ...jsonOption, ...adminOption },
  help: `sluice status [--config FILE] [--admin URL] [--json]

Shows the state of a running gateway: what is wrong now, requests, errors and durations by scope over the last 10 seconds,
and the breaker, endpoints and last errors of each upstream.

  -c, --config FILE  config with the address and token of the admin API (default: fastify.config.ts)
      --admin URL    admin API to call, with the token in SLUICE_ADMIN_TOKEN; the config is not read
      --json         print { "overview", "upstreams" } of the admin API

Exits with 0 if nothing is wrong, with 1 if something is, and with 2 if the gateway
cannot be reached or rejects the token.`,
  async run(values, _positionals, { print, printError, env, signal, hasColors }) {
    let overview: Overview
    let upstreams: UpstreamStatus[]
    try {
      const admin = await resolveAdminApi(values, env)
      const within = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)])
      overview = await read(admin, '/overview', within)
      // The overview has a problem if no worker responds.
      upstreams = await read<UpstreamStatus[]>(admin, '/upstreams', within).catch(() => [])
    } catch (error) {
      if (error instanceof UsageError) throw error
      printError((error as Error).message.split('\n').map(sanitize).join('\n'))
      return 2
    }
    if (values.json) print(JSON.stringify({ overview, upstreams }, null, 2))
    else {
      const paint = (format: Parameters<typeof styleText>[0], text: string) =>
        hasColors ? styleText(format, text, { validateStream: false }) : text
      print(...describeStatus(overview, upstreams, Date.now(), paint))
    }
    return overview.problems.length === 0 && overview.state === 'ready' ? 0 : 1
  }
}

/** Milliseconds for the whole command. Workers that do not respond take a second. */
const TIMEOUT = 10_000

/** @throws an error with a message for users */
async function read<Body>(admin: AdminApi, path: string, signal: AbortSignal): Promise<Body> {
  const response = await callAdminApi(admin, path, { signal })
  if (!response.ok) throw new Error((await describeProblem(response)).join('\n'))
  const body = await response.json().catch(() => undefined)
  if (typeof body !== 'object' || body === null)
    throw new Error(`${admin.url} is not the admin API of a gateway`)
  return body as Body
}
