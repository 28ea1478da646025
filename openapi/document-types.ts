/** The parts of an OpenAPI 3.1 document that Sluice reads and writes. Other members pass unchanged. */

/** A JSON Schema (2020-12). */
export type JsonSchema = Record<string, unknown>

export interface Reference {
  $ref: string
}

export interface MediaType {
  schema?: JsonSchema
  [member: string]: unknown
}

export interface Response {
  description: string
  headers?: Record<string, unknown>
  content?: Record<string, MediaType>
}

export interface Parameter {
  name: string
  in: string
  required?: boolean
  description?: string
  schema?: JsonSchema
  [member: string]: unknown
}

export interface RequestBody {
  required?: boolean
  content: Record<string, MediaType>
  [member: string]: unknown
}

export interface Operation {
  operationId?: string
  summary?: string
  description?: string
  tags?: string[]
  deprecated?: boolean
  security?: Record<string, string[]>[]
  parameters?: (Parameter | Reference)[]
  requestBody?: RequestBody | Reference
  responses: Record<string, Response | Reference>
  [member: string]: unknown
}

export const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const
export type Method = (typeof METHODS)[number]

export type PathItem = { [Name in Method]?: Operation }

/** Components by kind and name. */
export type Components = Record<string, Record<string, unknown>>

export interface OpenApiDocument {
  openapi: string
  info: Record<string, unknown>
  servers?: { url: string; description?: string }[]
  tags?: { name: string; description?: string }[]
  paths: Record<string, PathItem>
  components: Components
}

/** Returns the operations of a path with their methods. */
export function operationsOf(item: PathItem): [method: Method, operation: Operation][] {
  return METHODS.flatMap((method): [Method, Operation][] => {
    const operation = item[method]
    return operation === undefined ? [] : [[method, operation]]
  })
}
