import { type Command, configOption, jsonOption } from './command.ts'
import { loadConfig } from './config.ts'
import { rehearse } from './rehearsal.ts'

export const command: Command = {
  options: { ...configOption, ...jsonOption, strict: { type: 'boolean', default: false } },
  help: 'sluice check [--config FILE] [--strict] [--json]',
  async run({ config: file }, _positionals, { print, env }) {
    await rehearse(await loadConfig(file as string, env))
    print('no faults')
    return 0
  }
}
