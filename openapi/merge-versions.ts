import {
  type JsonSchema,
  type MediaType,
  type OpenApiDocument,
  type Operation,
  operationsOf,
  type Parameter,
  type RequestBody,
  type Response
} from './document-types.ts'

/**
 * Returns one document for all versions. Operations that several versions serve at one path become one, which accepts the
 * requests of each and returns the responses of each.
 * @param documents by version, oldest first
 */
export function mergeVersions(documents: [version: string, document: OpenApiDocument][]): OpenApiDocument {
  const [, last] = documents.at(-1) as [string, OpenApiDocument]
  const merged: OpenApiDocument = { ...last, paths: {}, components: {} }
  const tags = new Map<string, { name: string }>()
  for (const [, { components, tags: own = [] }] of documents) {
    for (const [kind, named] of Object.entries(components))
      merged.components[kind] = { ...merged.components[kind], ...named }
    for (const tag of own) tags.set(tag.name, tag)
  }
  merged.tags = [...tags.values()]

  for (const [, { paths }] of documents)
    for (const [path, item] of Object.entries(paths)) {
      const known = merged.paths[path] ?? {}
      for (const [method, operation] of operationsOf(item)) {
        const before = known[method]
        known[method] =
          before === undefined || isSame(before, operation) ? operation : union(before, operation)
      }
      merged.paths[path] = known
    }
  return merged
}

function union(older: Operation, newer: Operation): Operation {
  const parameters = unionOfParameters(older.parameters as Parameter[], newer.parameters as Parameter[])
  const body = unionOfBodies(older.requestBody as RequestBody, newer.requestBody as RequestBody)
  const { parameters: _parameters, requestBody: _body, ...others } = newer
  return {
    ...others,
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: body }),
    responses: Object.fromEntries(
      [...new Set([...Object.keys(older.responses), ...Object.keys(newer.responses)])].map(status => [
        status,
        unionOfResponses(older.responses[status] as Response, newer.responses[status] as Response)
      ])
    )
  }
}

/** A parameter is required if both operations require it, or, for those that select the version, if one must be sent. */
function unionOfParameters(older: Parameter[] = [], newer: Parameter[] = []): Parameter[] {
  const keyOf = ({ in: place, name }: Parameter) => `${place} ${name}`
  const byKey = new Map(older.map(one => [keyOf(one), { ...one, required: one.in === 'path' }]))
  for (const one of newer) {
    const before = older.find(other => keyOf(other) === keyOf(one))
    byKey.set(keyOf(one), {
      ...one,
      required: one.required === true && (before?.required === true || one.in === 'path'),
      schema: before === undefined ? one.schema : unionOfSchemas(before.schema, one.schema)
    } as Parameter & { required: boolean })
  }
  return [...byKey.values()]
}

function unionOfBodies(older?: RequestBody, newer?: RequestBody): RequestBody | undefined {
  if (older === undefined || newer === undefined) {
    const one = older ?? newer
    return one && { ...one, required: false }
  }
  return {
    ...newer,
    required: older.required === true && newer.required === true,
    content: unionOfContents(older.content, newer.content)
  }
}

function unionOfResponses(older: Response | undefined, newer: Response | undefined): Response {
  if (older === undefined || newer === undefined || isSame(older, newer)) return (newer ?? older) as Response
  if ('$ref' in older || '$ref' in newer) return newer
  const headers = { ...older.headers, ...newer.headers }
  const content = unionOfContents(older.content ?? {}, newer.content ?? {})
  return {
    ...newer,
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(Object.keys(content).length > 0 && { content })
  }
}

function unionOfContents(
  older: Record<string, MediaType>,
  newer: Record<string, MediaType>
): Record<string, MediaType> {
  const types = [...new Set([...Object.keys(older), ...Object.keys(newer)])]
  return Object.fromEntries(
    types.map((type): [string, MediaType] => {
      const [before, after] = [older[type], newer[type]]
      if (before === undefined || after === undefined) return [type, (before ?? after) as MediaType]
      return [type, { ...after, schema: unionOfSchemas(before.schema, after.schema) as JsonSchema }]
    })
  )
}

function unionOfSchemas(older: JsonSchema | undefined, newer: JsonSchema | undefined): JsonSchema {
  if (older === undefined || newer === undefined) return {}
  if (isSame(older, newer)) return newer
  if (Array.isArray(older.enum) && Array.isArray(newer.enum) && older.type === newer.type)
    return { ...newer, enum: [...new Set([...older.enum, ...newer.enum])] }
  return { anyOf: [...variantsOf(older), newer] }
}

/** Members of a union that an earlier merge has made. */
function variantsOf(schema: JsonSchema): JsonSchema[] {
  return Object.keys(schema).length === 1 && Array.isArray(schema.anyOf) ? schema.anyOf : [schema]
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** Adds the version to ids of operations that several versions have at different paths: `placeOrder` is `placeOrderV1`. */
export function nameByVersion(documents: [version: string, document: OpenApiDocument][]): void {
  const places = new Map<string, Set<string>>()
  const visit = (act: (operation: Operation, id: string, place: string, version: string) => void) => {
    for (const [version, { paths }] of documents)
      for (const [path, item] of Object.entries(paths))
        for (const [method, operation] of operationsOf(item))
          act(operation, operation.operationId as string, `${method} ${path}`, version)
  }
  visit((_operation, id, place) => places.set(id, (places.get(id) ?? new Set()).add(place)))
  visit((operation, id, _place, version) => {
    if ((places.get(id)?.size ?? 0) > 1)
      operation.operationId = id + version.charAt(0).toUpperCase() + version.slice(1)
  })
}

/** Makes the ids of operations unique by a number. */
export function makeIdsUnique(document: OpenApiDocument): void {
  const seen = new Set<string>()
  for (const item of Object.values(document.paths))
    for (const [, operation] of operationsOf(item)) {
      const { operationId } = operation
      if (operationId === undefined) continue
      let id = operationId
      for (let n = 2; seen.has(id); n++) id = `${operationId}${n}`
      seen.add(id)
      operation.operationId = id
    }
}
