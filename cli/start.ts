import { start } from '../server.ts'
import { type Command, configOption } from './command.ts'

export const command: Command = {
  options: configOption,
  help: `sluice start [--config FILE]

Runs the gateway until SIGTERM or SIGINT.

  -c, --config FILE  config file (default: fastify.config.ts)`,
  async run({ config }) {
    await start({ config: config as string })
    return undefined
  }
}
