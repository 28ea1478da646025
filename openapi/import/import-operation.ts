import { isObject } from '../../schemas/options/faults.ts'
import type { Json, ParsedDocument } from '../parsed-document.ts'
import { keyOf, literal, objectOf } from './code.ts'
import { type RoutePath, routePath } from './route-path.ts'
import type { SchemaWriter } from './schema-code.ts'

export interface ImportedOperation {
  /** `GET /orders/{id}` */
  name: string
  /** Undefined if the operation is left out. */
  code: string | undefined
  /** Route as the router knows it: `GET /orders/:`. */
  key: string
  usesTransform: boolean
  usesQuery: boolean
  /** Parts that are not validated, or why it is left out. */
  notes: Set<string>
}

export interface ImportTarget {
  document: ParsedDocument
  schemas: SchemaWriter
  upstream: string
  /** Path of the service below its URL. */
  base: string
  /** Ids of operations that are used already. */
  ids: Set<string>
}

const METHODS = new Set(['get', 'put', 'post', 'delete', 'patch', 'options', 'head'])

/** Returns a route for an operation: a transformation if its JSON body can be validated, else a forwarded route. */
export function importOperation(
  target: ImportTarget,
  path: string,
  method: string,
  operation: Json,
  shared: unknown[]
): ImportedOperation {
  const name = `${method.toUpperCase()} ${path}`
  const notes = new Set<string>()
  const result = { name, notes, code: undefined, key: name, usesTransform: false, usesQuery: false }
  const route = routePath(path)
  if (!METHODS.has(method)) notes.add('left out: the gateway does not route this method')
  else if (route === undefined) notes.add('left out: the router cannot have this path')
  if (route === undefined || notes.size > 0) return result

  const { document, schemas } = target
  const parts = parameterParts(target, route, [...shared, ...listOf(operation.parameters)], notes)
  const body = jsonBody(document, operation, notes)
  const response = body === undefined ? undefined : jsonResponse(document, operation, notes)
  const common = [
    `method: ${literal(method.toUpperCase())}`,
    `url: ${literal(route.url)}`,
    ...descriptionOf(target, operation, body !== undefined && response !== undefined ? [] : parts)
  ]
  const key = `${method.toUpperCase()} ${route.url.replaceAll(/:\w+/g, ':')}`
  if (body === undefined || response === undefined) {
    const members = [...common, `upstream: ${literal(target.upstream)}`, `prefix: ${literal(target.base)}`]
    return { ...result, key, code: `app.forward(${objectOf(members)})` }
  }
  const usesQuery = parts.some(([part]) => part === 'querystring')
  const written = schemas.write(response, notes)
  const hasParameters = route.parameters.size > 0
  const template = `${target.base}${route.template(parameter => parameterCode(parts, parameter))}`
  const given = [...(hasParameters ? ['params'] : []), 'body', ...(usesQuery ? ['url'] : [])]
  const toPath = `path\`${template}\`${usesQuery ? ' + queryOf(url)' : ''}`
  const members = [
    ...common,
    `upstream: ${literal(target.upstream)}`,
    ...parts.map(([part, code]) => `${part}: ${code}`),
    `body: ${schemas.write(body, notes)}`,
    `upstreamResponse: ${written}`,
    `response: ${written}`,
    `toUpstream: ({ ${given.join(', ')} }) => (${objectOf([`method: ${literal(method.toUpperCase())}`, `path: ${toPath}`, 'body'])})`,
    'toClient: response => response'
  ]
  return { ...result, key, usesTransform: true, usesQuery, code: `app.transform(${objectOf(members)})` }
}

type Part = [name: 'params' | 'querystring' | 'headers', code: string, texts: Set<string>]

/** Returns the schemas of parameters, query and headers. */
function parameterParts(
  { document, schemas }: ImportTarget,
  route: RoutePath,
  references: unknown[],
  notes: Set<string>
): Part[] {
  const members = {
    path: new Map<string, string>(),
    query: new Map<string, string>(),
    header: new Map<string, string>()
  }
  for (const name of route.parameters.values()) members.path.set(name, 'Type.String()')
  const texts = new Set(route.parameters.values())
  for (const reference of references) {
    const parameter = document.resolve(reference)
    if (!isObject(parameter)) {
      notes.add('a parameter whose reference leads nowhere')
      continue
    }
    const place = String(parameter.in)
    const label = `the ${place} parameter ${parameter.name}`
    const name = place === 'path' ? route.parameters.get(String(parameter.name)) : String(parameter.name)
    if (place === 'header' && /^(accept|content-type|authorization)$/i.test(String(name))) continue
    if (!isMemberOf(members, place) || name === undefined || !isPlain(document, parameter)) {
      notes.add(label)
      continue
    }
    const code = schemas.write(parameter.schema ?? true, notes)
    if (place === 'path') {
      if (!/^Type\.(String|Integer|Number)\(/.test(code)) texts.delete(name)
      members.path.set(name, code)
    } else
      members[place].set(
        place === 'header' ? name.toLowerCase() : name,
        parameter.required === true ? code : `Type.Optional(${code})`
      )
  }
  const parts: [Part[0], Map<string, string>][] = [
    ['params', members.path],
    ['querystring', members.query],
    ['headers', members.header]
  ]
  return parts.flatMap(([part, map]): Part[] =>
    map.size === 0
      ? []
      : [[part, `Type.Object(${objectOf([...map].map(([name, code]) => `${keyOf(name)}: ${code}`))})`, texts]]
  )
}

function isMemberOf<Members extends object>(
  members: Members,
  place: string
): place is keyof Members & string {
  return Object.hasOwn(members, place)
}

/** True if the text of a parameter is its value, or each of its texts an item. */
function isPlain(document: ParsedDocument, { in: place, style, explode, schema, content }: Json): boolean {
  if (content !== undefined) return false
  const { type } = (document.resolve(schema) ?? {}) as Json
  const types = [type].flat()
  if (types.includes('object')) return false
  if (types.includes('array')) return place === 'query' && (style ?? 'form') === 'form' && explode !== false
  return style === undefined || style === 'form' || style === 'simple'
}

/** Returns code for a parameter in a path template, which takes texts and numbers. */
function parameterCode(parts: Part[], name: string): string {
  const texts = parts.find(([part]) => part === 'params')?.[2]
  return texts?.has(name) ? `params.${name}` : `String(params.${name})`
}

/** Ids that become names of functions in generated clients (schemas/options/routes.ts). */
const OPERATION_ID = /^[A-Za-z_][A-Za-z0-9_.-]*$/

/** Returns `schema`, with what describes the operation. */
function descriptionOf({ ids }: ImportTarget, { operationId, summary }: Json, parts: Part[]): string[] {
  const members = parts.map(([part, code]) => `${part}: ${code}`)
  if (typeof summary === 'string') members.unshift(`summary: ${literal(summary)}`)
  if (typeof operationId === 'string' && OPERATION_ID.test(operationId) && !ids.has(operationId)) {
    ids.add(operationId)
    members.unshift(`operationId: ${literal(operationId)}`)
  }
  return members.length === 0 ? [] : [`schema: ${objectOf(members)}`]
}

/** Returns the schema of a required JSON body. */
function jsonBody(document: ParsedDocument, operation: Json, notes: Set<string>): unknown {
  const body = document.resolve(operation.requestBody)
  if (!isObject(body)) return undefined
  const content = isObject(body.content) ? body.content : {}
  const json = mediaOf(content)
  if (json === undefined || Object.keys(content).length > 1) notes.add('the body, which is not only JSON')
  else if (body.required !== true) notes.add('the body, which is optional')
  else return json.schema ?? true
  return undefined
}

/** Returns the schema of the only success, which must be JSON. */
function jsonResponse(document: ParsedDocument, operation: Json, notes: Set<string>): unknown {
  const successes = Object.entries(isObject(operation.responses) ? operation.responses : {}).filter(
    ([status]) => /^[23]/.test(status)
  )
  const [status, reference] = successes[0] ?? []
  const response = document.resolve(reference)
  const content = isObject(response) && isObject(response.content) ? response.content : {}
  const json = mediaOf(content)
  const isOnly = successes.length === 1 && /^2/.test(String(status)) && Object.keys(content).length === 1
  if (isOnly && json?.schema !== undefined) return json.schema
  notes.add('the body, since the response is not only JSON with a schema')
  return undefined
}

function mediaOf(content: Json): Json | undefined {
  const [, media] = Object.entries(content).find(([type]) => /^application\/json\s*(;|$)/i.test(type)) ?? []
  return isObject(media) ? media : undefined
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
