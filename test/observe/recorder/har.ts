import { createRequire } from 'node:module'
import { Ajv } from 'ajv'
import formats from 'ajv-formats'

const require = createRequire(import.meta.url)

/** Returns the errors of a document by the schema of HAR 1.2. */
export function harFaults(har: unknown): object[] {
  const ajv = new Ajv({ strict: false, allErrors: true })
  formats.default(ajv)
  ajv.addMetaSchema(require('ajv/dist/refs/json-schema-draft-06.json'))
  const schemas = require('har-schema')
  for (const schema of Object.values(schemas)) ajv.addSchema(schema as object)
  const validate = ajv.getSchema(schemas.har.$id)
  validate?.(har)
  return validate?.errors ?? []
}
