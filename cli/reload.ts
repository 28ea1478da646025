import { adminOption, callAdmin, findAdmin, problemIn, textOf } from './admin.ts'
import { type Command, configOption, jsonOption, plain } from './command.ts'

export const command: Command = {
  options: { ...configOption, ...jsonOption, ...adminOption },
  help: `sluice reload [--config FILE] [--admin URL] [--json]

Has the gateway that runs take its config anew, by POST /reload on its admin side, and waits for the outcome. If that
fails, the gateway goes on as it was.

  -c, --config FILE  whose admin side to call, with its token (fastify.config.ts)
      --admin URL    call this one instead, with the token in SLUICE_ADMIN_TOKEN; no config is read
      --json         the answer as it came`,
  async run(values, _positionals, { print, env, signal }) {
    const admin = await findAdmin(values, env)
    const response = await callAdmin(admin, '/reload', { method: 'POST', signal })
    if (values.json && response.status !== 404) print(await textOf(response))
    else if (response.status === 404)
      print(`${admin.url} has no /reload: this gateway cannot take a config anew`)
    else if (!response.ok) print(...(await problemIn(response)).map(plain))
    else print('reloaded', ...members(await textOf(response)))
    return response.ok ? 0 : 1
  }
}

/** What the answer says, one member a line. */
function members(text: string): string[] {
  try {
    return Object.entries(JSON.parse(text) as object).map(([name, value]) =>
      plain(`  ${name}: ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    )
  } catch {
    return []
  }
}
