import { readFile } from 'node:fs/promises'
import { loadConfig } from '../cluster/config.ts'
import { readCertificates } from '../http/certificates.ts'
import { routeTable } from '../observe/served-routes.ts'
import type { ConfigFault } from '../schemas/options/faults.ts'
import { ConfigError } from '../schemas/options/faults.ts'
import { audit, type Finding } from './audit/index.ts'
import { type Command, configOption, jsonOption, sanitize } from './command.ts'
import { startDryRun } from './dry-run.ts'

export const command: Command = {
  options: { ...configOption, ...jsonOption, strict: { type: 'boolean', default: false } },
  help: `sluice check [--config FILE] [--strict] [--json]

Validates a config with its routes and schemas, then audits it for settings that are valid, but unsafe or likely wrong.
Nothing listens, and nothing is connected to.

  -c, --config FILE  config file (default: fastify.config.ts)
      --strict       fail for warnings too
      --json         print { "ok", "faults": [{ path, message }], "findings": [{ code, severity, path, why, fix }] }

Exits with 1 for faults and errors; with --strict also for warnings.`,
  async run(values, _positionals, { print, env }) {
    const report = await check(values.config as string, env)
    const { faults, findings } = report
    const isOk =
      faults.length === 0 &&
      findings.every(({ severity }) => severity === 'warning' && values.strict !== true)
    if (values.json) print(JSON.stringify({ ok: isOk, ...report }, null, 2))
    else print(...describe(report))
    return isOk ? 0 : 1
  }
}

export interface CheckReport {
  faults: ConfigFault[]
  findings: Finding[]
}

/** Never throws: a config that cannot be loaded has a fault. */
export async function check(file: string, env: NodeJS.ProcessEnv): Promise<CheckReport> {
  try {
    const config = await loadConfig(file, env)
    const { tls } = config.listen
    if (tls) await asFault('/listen/tls', () => readCertificates(tls as never))
    const dryRun = await asFault('', () => startDryRun(config))
    const routes = routeTable(dryRun.routes, config)
    const source = await readFile(file, 'utf8')
    const findings = await audit({ config, routes, dryRun, file, source, env, now: Date.now() })
    await dryRun.close()
    return { faults: [], findings }
  } catch (error) {
    if (error instanceof ConfigError) return { faults: error.faults, findings: [] }
    const message = error instanceof Error ? error.message : String(error)
    return { faults: [{ path: file, message: message.replace(`${file} `, '') }], findings: [] }
  }
}

/** Turns an error of `action` into a fault of the config at `path`, or at the scope that the error names. */
async function asFault<Value>(path: string, action: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await action()
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const message = error instanceof Error ? error.message : String(error)
    const { scope } = (error ?? {}) as { scope?: string }
    if (scope !== undefined) path = `/scopes/${scope}/routes`
    throw new ConfigError([{ path, message: `failed: ${message.split('\n', 1)[0]}` }])
  }
}

function describe({ faults, findings }: CheckReport): string[] {
  if (faults.length > 0)
    return [
      ...faults.map(({ path, message }) => sanitize(`fault    ${path || '/'} ${message}`)),
      '',
      count(faults.length, 'fault')
    ]
  const lines = findings.flatMap(({ severity, code, path, why, fix }) => [
    sanitize(`${severity.padEnd(8)} ${code}  ${path}`),
    sanitize(`         ${why}`),
    sanitize(`         ${fix}`)
  ])
  const errors = findings.filter(({ severity }) => severity === 'error').length
  const summary = `${count(errors, 'error')}, ${count(findings.length - errors, 'warning')}`
  return lines.length === 0 ? [summary] : [...lines, '', summary]
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
