import { unescapePointer } from '../../http/json/pointer.ts'
import { isObject } from '../../schemas/options/faults.ts'
import { METHODS } from '../document-types.ts'
import type { Json, ParsedDocument } from '../parsed-document.ts'
import { block, comment, keyOf, literal, typeOf } from './schema-type.ts'

/**
 * Returns TypeScript types of a document, in the form of openapi-typescript: `paths` and `components`, which clients such as
 * openapi-fetch take.
 */
export function clientTypes(document: ParsedDocument): string {
  const { paths, components } = document.root
  const { schemas, responses } = (isObject(components) ? components : {}) as Record<string, unknown>
  const members = (named: unknown, toType: (value: unknown) => string) =>
    block(
      Object.entries(isObject(named) ? named : {}).map(
        ([name, value]) => `${comment(value)}${keyOf(name)}: ${toType(value)}`
      )
    )
  const operations = Object.entries(isObject(paths) ? paths : {})
    .filter(([path]) => !path.startsWith('x-'))
    .map(([path, item]) => `${keyOf(path)}: ${pathType(document, item)}`)
  const componentTypes = [
    `schemas: ${members(schemas, schema => typeOf(document, schema))}`,
    `responses: ${members(responses, response => responseType(document, response))}`
  ]
  const declare = (name: string, list: string[]) =>
    `export interface ${name} ${list.length > 0 ? block(list) : '{}'}\n`
  return [
    '/** Written by `sluice openapi --types`. */\n',
    declare('paths', operations),
    declare('components', componentTypes)
  ].join('\n')
}

function pathType(document: ParsedDocument, reference: unknown): string {
  const item = document.resolve(reference)
  if (!isObject(item)) return 'Record<never, never>'
  const shared = Array.isArray(item.parameters) ? item.parameters : []
  return block(
    METHODS.flatMap(method => {
      const operation = item[method]
      return isObject(operation)
        ? [`${comment(operation)}${method}: ${operationType(document, operation, shared)}`]
        : []
    })
  )
}

function operationType(document: ParsedDocument, operation: Json, shared: unknown[]): string {
  const own = Array.isArray(operation.parameters) ? operation.parameters : []
  const parameters = [...shared, ...own].map(one => document.resolve(one)).filter(isObject)
  const body = document.resolve(operation.requestBody)
  return block([
    `parameters: ${block(['query', 'header', 'path', 'cookie'].map(place => parametersType(document, parameters, place)))}`,
    isObject(body)
      ? `requestBody${body.required === true ? '' : '?'}: ${block([`content: ${contentType(document, body.content)}`])}`
      : 'requestBody?: never',
    `responses: ${responsesType(document, operation.responses)}`
  ])
}

function parametersType(document: ParsedDocument, parameters: Json[], place: string): string {
  // A parameter of the operation replaces that of the path.
  const named = new Map(parameters.filter(one => one.in === place).map(one => [String(one.name), one]))
  if (named.size === 0) return `${place}?: never`
  const isRequired = (one: Json) => one.required === true || place === 'path'
  const members = [...named].map(([name, one]) => {
    const [media] = isObject(one.content) ? Object.values(one.content) : []
    const schema = one.schema ?? (isObject(media) ? media.schema : undefined)
    return `${comment(one)}${keyOf(name)}${isRequired(one) ? '' : '?'}: ${typeOf(document, schema ?? true)}`
  })
  return `${place}${[...named.values()].some(isRequired) ? '' : '?'}: ${block(members)}`
}

function responsesType(document: ParsedDocument, responses: unknown): string {
  return block(
    Object.entries(isObject(responses) ? responses : {})
      .filter(([status]) => /^([1-5]\d\d|[1-5]XX|default)$/i.test(status))
      .map(
        ([status, response]) =>
          `${/^\d+$/.test(status) ? status : keyOf(status)}: ${responseType(document, response)}`
      )
  )
}

function responseType(document: ParsedDocument, reference: unknown): string {
  const [, name] = /^#\/components\/responses\/([^/]+)$/.exec(String((reference as Json)?.$ref)) ?? []
  const response = document.resolve(reference)
  if (name !== undefined && isObject(response))
    return `components["responses"][${literal(unescapePointer(name))}]`
  const { headers, content } = isObject(response) ? response : ({} as Json)
  const members = Object.entries(isObject(headers) ? headers : {}).map(([header, value]) => {
    const { schema, required } = (document.resolve(value) ?? {}) as Json
    return `${keyOf(header)}${required === true ? '' : '?'}: ${typeOf(document, schema ?? true)}`
  })
  return block([
    `headers: ${block([...members, '[name: string]: unknown'])}`,
    content === undefined ? 'content?: never' : `content: ${contentType(document, content)}`
  ])
}

function contentType(document: ParsedDocument, content: unknown): string {
  return block(
    Object.entries(isObject(content) ? content : {}).map(
      ([type, media]) =>
        `${keyOf(type)}: ${typeOf(document, (isObject(media) ? media.schema : undefined) ?? true)}`
    )
  )
}
