import { start } from '../server.ts'
import { type Command, configOption } from './command.ts'

export const command: Command = {
  options: configOption,
  help: `sluice start [--config FILE]

Runs the gateway that FILE (fastify.config.ts) describes, until SIGTERM or SIGINT.`,
  async run({ config }) {
    await start({ config: config as string })
    return undefined
  }
}
