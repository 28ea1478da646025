import { writeFile } from 'node:fs/promises'
import { loadConfig } from '../cluster/config.ts'
import {
  createDocument,
  DocumentError,
  type ParsedDocument,
  readDocument
} from '../openapi/parsed-document.ts'
import { clientTypes } from '../openapi/types/client-types.ts'
import { type Command, configOption, jsonOption, UsageError, type Values } from './command.ts'
import { compareAgainst } from './openapi-changes.ts'
import { openApiDocument } from './openapi-document.ts'

export const command: Command = {
  options: {
    ...configOption,
    ...jsonOption,
    version: { type: 'string' },
    out: { type: 'string', short: 'o' },
    document: { type: 'string' },
    types: { type: 'string' },
    against: { type: 'string' },
    strict: { type: 'boolean', default: false }
  },
  help: `sluice openapi [--config FILE] [--version NAME] [--out FILE]
sluice openapi --types FILE [--version NAME] [--document FILE]
sluice openapi --against OLD.json [--version NAME] [--document FILE] [--strict] [--json]

Writes the OpenAPI 3.1 document of a config, or types for its clients, or compares it with an older one. Nothing listens,
and nothing is connected to.

  -c, --config FILE    config file (default: fastify.config.ts)
      --version NAME   one version of the API (default: all in one document)
      --document FILE  a document, as JSON or YAML, to use instead of the config's
  -o, --out FILE       file to write (default: standard output)
      --types FILE     TypeScript file to write: paths and components, as openapi-fetch takes them
      --against FILE   names every change since this document that breaks clients
      --strict         fail for warnings too
      --json           print { "ok", "changes": [{ rule, level, method, path, part, pointer, change, why }] }

--against exits with 1 for breaking changes, with --strict also for warnings, and with 2 if a document cannot be read.`,
  async run(values, _positionals, terminal) {
    if (values.types !== undefined && values.against !== undefined)
      throw new UsageError('openapi takes --types or --against, not both')
    const document = await documentOf(values, terminal.env)
    if (values.against !== undefined) return withUsageErrors(() => compareAgainst(document, values, terminal))
    if (values.types !== undefined) {
      const types = await withUsageErrors(async () => clientTypes(document))
      await write(values.types as string, types)
      return 0
    }
    const json = JSON.stringify(document.root, null, 2)
    if (values.out === undefined) terminal.print(json)
    else await write(values.out as string, `${json}\n`)
    return 0
  }
}

/** @throws UsageError if the file cannot be written */
async function write(file: string, text: string): Promise<void> {
  await writeFile(file, text).catch(error => {
    throw new UsageError(`cannot write ${file}: ${error.message}`)
  })
}

/** Returns the document of the config, or of `--document`. */
async function documentOf(values: Values, env: NodeJS.ProcessEnv): Promise<ParsedDocument> {
  const { config: file, document, version } = values
  if (document !== undefined) return withUsageErrors(() => readDocument(document as string))
  const config = await loadConfig(file as string, env)
  return createDocument(await openApiDocument(config, version as string | undefined), 'the document')
}

/** A document that cannot be read, or compared, is wrong usage. */
async function withUsageErrors<Value>(action: () => Promise<Value>): Promise<Value> {
  try {
    return await action()
  } catch (error) {
    if (error instanceof DocumentError) throw new UsageError(error.message)
    throw error
  }
}
