import type { Json, ParsedDocument } from '../parsed-document.ts'
import type { SchemaComparer } from './compare-schemas.ts'

/** Two documents to compare. */
export interface Documents {
  old: ParsedDocument
  now: ParsedDocument
  schemas: SchemaComparer
}

/** One operation of a document. */
export interface Operation {
  /** In upper case. */
  method: string
  path: string
  pointer: string
  definition: Json
  /** Parameters of the path. */
  shared: unknown[]
  security: unknown
}
