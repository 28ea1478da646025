import { adminOption, callAdminApi, describeProblem, readText, resolveAdminApi } from './admin-client.ts'
import { type Command, configOption, jsonOption, sanitize } from './command.ts'

export const command: Command = {
  options: { ...configOption, ...jsonOption, ...adminOption },
  help: `sluice reload [--config FILE] [--admin URL] [--json]

Reloads the config of a running gateway (POST /reload of its admin API) and waits for the result. If the reload fails,
the gateway continues with its current config.

  -c, --config FILE  config with the address and token of the admin API (default: fastify.config.ts)
      --admin URL    admin API to call, with the token in SLUICE_ADMIN_TOKEN; the config is not read
      --json         print the response as JSON`,
  async run(values, _positionals, { print, env, signal }) {
    const admin = await resolveAdminApi(values, env)
    const response = await callAdminApi(admin, '/reload', { method: 'POST', signal })
    if (values.json && response.status !== 404) print(await readText(response))
    else if (response.status === 404)
      print(`${admin.url} has no /reload: this gateway cannot reload its config`)
    else if (!response.ok) print(...(await describeProblem(response)).map(sanitize))
    else print('reloaded', ...describeMembers(await readText(response)))
    return response.ok ? 0 : 1
  }
}

/** Returns one line per member of a JSON object. */
function describeMembers(text: string): string[] {
  try {
    return Object.entries(JSON.parse(text) as object).map(([name, value]) =>
      sanitize(`  ${name}: ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    )
  } catch {
    return []
  }
}
