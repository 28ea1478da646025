import { isObject } from '../../schemas/options/faults.ts'
import { METHODS } from '../document-types.ts'
import { DocumentError, type Json, type ParsedDocument } from '../parsed-document.ts'
import { identifier, indent, lineComment, plain } from './code.ts'
import { type ImportedOperation, type ImportTarget, importOperation } from './import-operation.ts'
import { basePath } from './route-path.ts'
import { SchemaWriter } from './schema-code.ts'

export interface RoutesFile {
  code: string
  routes: number
  /** Routes whose body and response are validated. */
  validated: number
  /** Parts that are left out or not validated: `POST /orders: the format money is not validated`. */
  notes: string[]
}

const MAX_OPERATIONS = 2_000

/**
 * Returns a file with a route for each operation of a service's document.
 * @throws DocumentError
 */
export function routesFile(document: ParsedDocument, upstream: string): RoutesFile {
  const { root } = document
  const schemas = new SchemaWriter(document)
  const functionName = identifier(upstream, 'routes', schemas.taken)
  const notes: string[] = []
  const [server] = Array.isArray(root.servers) ? root.servers : []
  const base = basePath((server as Json | undefined)?.url)
  if (base === undefined) notes.push('the path of the server has variables: set prefix yourself')
  const target: ImportTarget = { document, schemas, upstream, base: base ?? '', ids: new Set() }

  const operations = importAll(target)
  const routes = operations.filter(({ code }) => code !== undefined)
  const usesQuery = routes.some(operation => operation.usesQuery)
  const usesTransform = routes.some(operation => operation.usesTransform)
  const usesForward = routes.some(operation => !operation.usesTransform)
  if (hasSecurity(document)) notes.push('authentication is not imported: set jwt of the scope')
  notes.push(...operations.flatMap(notesOf))

  const { title, version } = (isObject(root.info) ? root.info : {}) as Json
  const name = [title, version].filter(text => typeof text === 'string').join(' ')
  const imports = [...(usesForward ? ['forward'] : []), ...(usesTransform ? ['path', 'transform'] : [])]
  const code = [
    "import type { FastifyInstance } from 'fastify'",
    ...(imports.length > 0 ? [`import { ${imports.join(', ')} } from 'sluice'`] : []),
    ...(/\bType\./.test([...schemas.constants, ...routes.map(route => route.code)].join('\n'))
      ? ["import Type from 'typebox'"]
      : []),
    '',
    ...schemas.constants.flatMap(constant => [constant, '']),
    `/** Routes of ${plain(name) || 'a service'}, written by \`sluice import\`. */`,
    `export async function ${functionName}(app: FastifyInstance) {`,
    ...(usesForward ? ['  await app.register(forward)'] : []),
    ...(usesTransform ? ['  await app.register(transform)'] : []),
    ...operations.flatMap(operation => ['', ...routeLines(operation)]),
    '}',
    ...(usesQuery ? [QUERY_OF] : [])
  ].join('\n')
  return {
    code: `${code}\n`,
    routes: routes.length,
    validated: routes.filter(operation => operation.usesTransform).length,
    notes: notes.map(plain)
  }
}

const QUERY_OF = `
/** Returns the query as the client sent it. */
function queryOf(url: string): string {
  const start = url.indexOf('?')
  return start < 0 ? '' : url.slice(start)
}`

function importAll(target: ImportTarget): ImportedOperation[] {
  const { document } = target
  const operations: ImportedOperation[] = []
  const taken = new Set<string>()
  const { paths } = document.root
  for (const [path, reference] of Object.entries(isObject(paths) ? paths : {})) {
    const item = document.resolve(reference)
    if (path.startsWith('x-') || !isObject(item)) continue
    const shared = Array.isArray(item.parameters) ? item.parameters : []
    for (const method of METHODS) {
      const operation = item[method]
      // The gateway's GET includes HEAD.
      if (!isObject(operation) || (method === 'head' && isObject(item.get))) continue
      if (operations.length >= MAX_OPERATIONS)
        throw new DocumentError(`the document has more than ${MAX_OPERATIONS} operations`)
      const imported = importOperation(target, path, method, operation, shared)
      if (imported.code !== undefined && taken.has(imported.key)) {
        imported.code = undefined
        imported.notes.clear()
        imported.notes.add('left out: another operation has the same route')
      }
      taken.add(imported.key)
      operations.push(imported)
    }
  }
  return operations
}

function routeLines({ name, code, notes }: ImportedOperation): string[] {
  const comments = [...notes].map(note =>
    indent(lineComment(code === undefined ? `${name}: ${note}` : `Not validated: ${note}`))
  )
  return code === undefined ? comments : [...comments, indent(code)]
}

function notesOf({ name, code, notes }: ImportedOperation): string[] {
  return [...notes].map(note => (code === undefined ? `${name}: ${note}` : `${name}: not validated: ${note}`))
}

function hasSecurity({ root }: ParsedDocument): boolean {
  const { securitySchemes } = (isObject(root.components) ? root.components : {}) as Json
  return isObject(securitySchemes) && Object.keys(securitySchemes).length > 0
}
