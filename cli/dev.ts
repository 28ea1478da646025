import { existsSync } from 'node:fs'
import { type Command, configOption, jsonOption } from './command.ts'
import { runDev } from './dev/run.ts'

export const command: Command = {
  options: { ...configOption, ...jsonOption, with: { type: 'string' } },
  help: `sluice dev [--config FILE] [--with FILE] [--json]

Runs the gateway for development: one worker, a log for people, and a reload when a loaded file is saved. If the new
files have a fault, the log has it and the old code continues. Runs until SIGTERM or SIGINT.

  -c, --config FILE  config file (default: fastify.config.ts)
      --with FILE    also runs FILE with Node, such as services to call, and sends it { gateway, admin }, the URLs
      --json         log JSON, as sluice start does`,
  async run({ config, with: companion, json }, _positionals, { print, printError }) {
    const files = [config, companion].filter(file => typeof file === 'string')
    const missing = files.find(file => !existsSync(file))
    if (missing !== undefined) throw new Error(`${missing} cannot be read: there is no such file`)
    const [file = '', program] = files
    runDev({ file, companion: program, log: json ? 'json' : 'pretty', note: json ? printError : print })
    return undefined
  }
}
