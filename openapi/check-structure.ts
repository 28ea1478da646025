import { escapePointer } from '../http/json/pointer.ts'
import { type ConfigFault, isObject } from '../schemas/options/faults.ts'
import { METHODS } from './document-types.ts'

/** Deeper ones would overflow the stack. */
const MAX_DEPTH = 200
/** Aliases of YAML can make a small file a large tree. */
const MAX_NODES = 500_000

const REFERENCE = /^#\/components\/(\w+)\/([\w.-]+)(\/.*)?$/

/** Returns the first fault of a service's document that would break what is made from it, with its JSON pointer. */
export function checkStructure(document: Record<string, unknown>): ConfigFault | undefined {
  return (
    checkTree(document) ??
    checkPaths(document.paths) ??
    checkComponents(document.components) ??
    checkSecurity(document.security, '/security') ??
    checkReferences(document)
  )
}

function checkComponents(components: unknown): ConfigFault | undefined {
  for (const [kind, named] of Object.entries(isObject(components) ? components : {})) {
    if (kind.startsWith('x-')) continue
    const at = `/components/${escapePointer(kind)}`
    if (!isObject(named)) return { path: at, message: 'must be an object' }
    const wrong = Object.keys(named).find(name => !isObject(named[name]) && kind !== 'schemas')
    if (wrong !== undefined) return { path: `${at}/${escapePointer(wrong)}`, message: 'must be an object' }
  }
  return undefined
}

function checkSecurity(security: unknown, at: string): ConfigFault | undefined {
  if (security === undefined || (Array.isArray(security) && security.every(isObject))) return undefined
  return { path: at, message: 'must be a list of objects' }
}

function checkPaths(paths: unknown): ConfigFault | undefined {
  if (!isObject(paths)) return { path: '/paths', message: 'must be an object' }
  for (const [name, item] of Object.entries(paths)) {
    if (name.startsWith('x-')) continue
    const at = `/paths/${escapePointer(name)}`
    if (!name.startsWith('/')) return { path: at, message: 'must begin with a slash' }
    if (!isObject(item)) return { path: at, message: 'must be an object' }
    if (item.$ref !== undefined) return { path: at, message: 'must not be a reference' }
    const fault = checkParameters(item.parameters, `${at}/parameters`)
    if (fault) return fault
    for (const method of METHODS) {
      const fault = item[method] === undefined ? undefined : checkOperation(item[method], `${at}/${method}`)
      if (fault) return fault
    }
  }
  return undefined
}

function checkOperation(operation: unknown, at: string): ConfigFault | undefined {
  if (!isObject(operation)) return { path: at, message: 'must be an object' }
  const { operationId, responses, requestBody, parameters, security } = operation
  if (operationId !== undefined && typeof operationId !== 'string')
    return { path: `${at}/operationId`, message: 'must be a string' }
  if (!isObject(responses)) return { path: `${at}/responses`, message: 'must be an object' }
  for (const [status, response] of Object.entries(responses)) {
    if (!isObject(response))
      return { path: `${at}/responses/${escapePointer(status)}`, message: 'must be an object' }
    if (!/^([1-5](\d\d|XX)|default|x-.*)$/.test(status))
      return {
        path: `${at}/responses/${escapePointer(status)}`,
        message: 'must be a status, such as 404 or 4XX'
      }
  }
  if (requestBody !== undefined && !isObject(requestBody))
    return { path: `${at}/requestBody`, message: 'must be an object' }
  return checkParameters(parameters, `${at}/parameters`) ?? checkSecurity(security, `${at}/security`)
}

function checkParameters(parameters: unknown, at: string): ConfigFault | undefined {
  if (parameters === undefined) return undefined
  if (!Array.isArray(parameters)) return { path: at, message: 'must be a list' }
  for (const [index, parameter] of parameters.entries()) {
    const isComplete =
      isObject(parameter) &&
      (typeof parameter.$ref === 'string' ||
        (typeof parameter.name === 'string' && typeof parameter.in === 'string'))
    if (!isComplete) return { path: `${at}/${index}`, message: 'must have name and in, or be a reference' }
  }
  return undefined
}

/** Checks that every reference leads to a component of the same document. */
function checkReferences(document: Record<string, unknown>): ConfigFault | undefined {
  const components = isObject(document.components) ? document.components : {}
  return visit(document, '', (value, path) => {
    if (typeof value.$ref !== 'string') return undefined
    const [, kind = '', name = ''] = REFERENCE.exec(value.$ref) ?? []
    if (kind === '') {
      const message = value.$ref.startsWith('#')
        ? 'must refer to one of the components'
        : 'refers to another file, which is not read: bundle the document first'
      return { path: `${path}/$ref`, message }
    }
    const named = Object.hasOwn(components, kind) ? components[kind] : undefined
    if (!isObject(named) || !Object.hasOwn(named, name))
      return { path: `${path}/$ref`, message: `refers to ${kind}/${name}, which is missing` }
    return undefined
  })
}

/** Checks depth and size before anything else walks the tree. */
function checkTree(document: unknown): ConfigFault | undefined {
  let nodes = 0
  const open: { value: unknown; depth: number }[] = [{ value: document, depth: 0 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next
    if (typeof value !== 'object' || value === null) continue
    if (depth > MAX_DEPTH) return { path: '/', message: `is nested more than ${MAX_DEPTH} levels` }
    for (const member of Object.values(value)) {
      if (++nodes > MAX_NODES) return { path: '/', message: `has more than ${MAX_NODES} values` }
      open.push({ value: member, depth: depth + 1 })
    }
  }
  return undefined
}

function visit(
  value: unknown,
  path: string,
  check: (object: Record<string, unknown>, path: string) => ConfigFault | undefined
): ConfigFault | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const own = Array.isArray(value) ? undefined : check(value as Record<string, unknown>, path)
  if (own) return own
  for (const [name, member] of Object.entries(value)) {
    const fault = visit(member, `${path}/${escapePointer(name)}`, check)
    if (fault) return fault
  }
  return undefined
}
