import { writeFile } from 'node:fs/promises'
import { loadConfig } from '../cluster/config.ts'
import { type Command, configOption } from './command.ts'
import { openApiDocument } from './openapi-document.ts'

export const command: Command = {
  options: { ...configOption, version: { type: 'string' }, out: { type: 'string', short: 'o' } },
  help: `sluice openapi [--config FILE] [--version NAME] [--out FILE]

Writes the OpenAPI 3.1 document of a config. Nothing listens, and nothing is connected to.

  -c, --config FILE   config file (default: fastify.config.ts)
      --version NAME  one version of the API (default: all in one document)
  -o, --out FILE      file to write (default: standard output)`,
  async run({ config: file, version, out }, _positionals, { print, env }) {
    const config = await loadConfig(file as string, env)
    const document = await openApiDocument(config, version as string | undefined)
    const json = JSON.stringify(document, null, 2)
    if (out === undefined) print(json)
    else await writeFile(out as string, `${json}\n`)
    return 0
  }
}
