import { writeFile } from 'node:fs/promises'
import { routesFile } from '../openapi/import/routes-file.ts'
import { DocumentError, readDocument } from '../openapi/parsed-document.ts'
import { NAME } from '../schemas/options/named.ts'
import { type Command, sanitize, UsageError } from './command.ts'

export const command: Command = {
  options: {
    upstream: { type: 'string' },
    out: { type: 'string', short: 'o' },
    force: { type: 'boolean', default: false }
  },
  positionals: ['DOCUMENT'],
  help: `sluice import DOCUMENT --upstream NAME [--out FILE] [--force]

Writes routes and schemas for a service from its OpenAPI document (3.0 or 3.1, JSON or YAML). Parts that are not validated
are named in comments and on standard error.

      --upstream NAME  upstream to forward to
  -o, --out FILE       file to write, such as routes/orders.ts (default: standard output)
      --force          overwrite the file`,
  async run({ upstream, out, force }, [file], { print, printError }) {
    if (upstream === undefined) throw new UsageError('import needs --upstream NAME')
    if (!NAME.test(upstream as string))
      throw new UsageError('--upstream is not a name: a-z, then a-z, 0-9 or -')
    const { code, routes, validated, notes } = await importFile(file as string, upstream as string)
    for (const note of notes) printError(sanitize(note))
    if (out === undefined) {
      print(code.trimEnd())
      return 0
    }
    try {
      await writeFile(out as string, code, { flag: force ? 'w' : 'wx' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      throw new UsageError(`${out} exists; --force overwrites it`)
    }
    print(
      `${out}: ${routes} ${routes === 1 ? 'route' : 'routes'}, ${validated} of them with validated bodies`
    )
    return 0
  }
}

/** @throws UsageError if the document cannot be read */
async function importFile(file: string, upstream: string) {
  try {
    return routesFile(await readDocument(file), upstream)
  } catch (error) {
    if (error instanceof DocumentError) throw new UsageError(error.message)
    throw error
  }
}
