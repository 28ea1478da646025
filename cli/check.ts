import { readFile } from 'node:fs/promises'
import { loadConfig } from '../cluster/config.ts'
import { ConfigError } from '../gateway.ts'
import { readCertificates } from '../http/certificates.ts'
import type { ConfigFault } from '../schemas/options/faults.ts'
import { audit, type Finding } from './audit/index.ts'
import { type Command, configOption, jsonOption, plain } from './command.ts'
import { rehearse } from './rehearsal.ts'
import { tableOf } from './table.ts'

export const command: Command = {
  options: { ...configOption, ...jsonOption, strict: { type: 'boolean', default: false } },
  help: `sluice check [--config FILE] [--strict] [--json]

Validates a config whole and makes its gateway, routes and schemas with it; nothing listens and nothing is connected to.
Then audits it: what is valid, and yet unsafe or not what is likely meant.

  -c, --config FILE  fastify.config.ts
      --strict       warnings fail too
      --json         { "ok", "faults": [{ path, message }], "findings": [{ code, severity, path, why, mend }] }

Exit code 1 if there are faults or errors; with --strict also if there are warnings.`,
  async run(values, _positionals, { print, env }) {
    const report = await check(values.config as string, env)
    const { faults, findings } = report
    const isOk =
      faults.length === 0 &&
      findings.every(({ severity }) => severity === 'warning' && values.strict !== true)
    if (values.json) print(JSON.stringify({ ok: isOk, ...report }, null, 2))
    else print(...inWords(report))
    return isOk ? 0 : 1
  }
}

export interface Report {
  faults: ConfigFault[]
  findings: Finding[]
}

/** Never throws: what cannot be loaded is a fault. */
export async function check(file: string, env: NodeJS.ProcessEnv): Promise<Report> {
  try {
    const config = await loadConfig(file, env)
    if (config.listen.tls) await attempt('/listen/tls', () => readCertificates(config.listen.tls as never))
    const rehearsal = await attempt('', () => rehearse(config))
    const routes = tableOf(rehearsal.routes, config)
    const source = await readFile(file, 'utf8')
    const findings = await audit({ config, routes, rehearsal, file, source, env, now: Date.now() })
    await rehearsal.close()
    return { faults: [], findings }
  } catch (error) {
    if (error instanceof ConfigError) return { faults: error.faults, findings: [] }
    const message = error instanceof Error ? error.message : String(error)
    return { faults: [{ path: file, message: message.replace(`${file} `, '') }], findings: [] }
  }
}

/** What fails at the start of a gateway is a fault of its config. */
async function attempt<Value>(path: string, action: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await action()
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const message = error instanceof Error ? error.message : String(error)
    const { scope } = (error ?? {}) as { scope?: string }
    if (scope !== undefined) path = `/scopes/${scope}/routes`
    throw new ConfigError([{ path, message: `cannot be made: ${message.split('\n', 1)[0]}` }])
  }
}

function inWords({ faults, findings }: Report): string[] {
  if (faults.length > 0)
    return [
      ...faults.map(({ path, message }) => plain(`fault    ${path || '/'} ${message}`)),
      '',
      count(faults.length, 'fault')
    ]
  const lines = findings.flatMap(({ severity, code, path, why, mend }) => [
    plain(`${severity.padEnd(8)} ${code}  ${path}`),
    plain(`         ${why}`),
    plain(`         ${mend}`)
  ])
  const errors = findings.filter(({ severity }) => severity === 'error').length
  const sum = `${count(errors, 'error')}, ${count(findings.length - errors, 'warning')}`
  return lines.length === 0 ? [sum] : [...lines, '', sum]
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
