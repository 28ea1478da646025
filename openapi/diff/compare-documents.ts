import { isObject } from '../../schemas/options/faults.ts'
import { DocumentError, type Json, type ParsedDocument } from '../parsed-document.ts'
import { pointerTo } from '../pointer.ts'
import { type Change, createReport, reportChanged } from './change.ts'
import { compareOperations } from './compare-operations.ts'
import { SchemaComparer } from './compare-schemas.ts'
import type { Documents, Operation } from './operation.ts'

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']
const MAX_CHANGES = 100_000

/**
 * Returns every difference of two documents that clients can notice, in the order of the old document.
 * `time` decides whether the sunset of a removed operation has passed.
 * @throws DocumentError if the documents are too large to compare
 */
export function compareDocuments(old: ParsedDocument, now: ParsedDocument, time: number): Change[] {
  const documents: Documents = { old, now, schemas: new SchemaComparer(old, now) }
  const changes: Change[] = []
  const olds = operationsOf(old)
  const news = operationsOf(now)
  const newPaths = new Set([...news.values()].map(({ path }) => withoutNames(path)))
  for (const [key, before] of olds) {
    const after = news.get(key)
    const report = createReport(changes, before.method, before.path)
    if (after !== undefined) compareOperations(documents, before, after, report)
    else if (hasEnded(before, time))
      report.add('ended-operation-removed', 'operation', before.pointer, 'removed after its sunset')
    else if (newPaths.has(withoutNames(before.path)))
      report.add('operation-removed', 'operation', before.pointer, 'method removed')
    else report.add('path-removed', 'operation', before.pointer, 'path removed')
    if (changes.length > MAX_CHANGES) throw new DocumentError('the documents differ too much to compare')
  }
  for (const [key, { method, path, pointer }] of news)
    if (!olds.has(key))
      createReport(changes, method, path).add('operation-added', 'operation', pointer, 'added')
  compareTops(documents, changes)
  return changes
}

/** Returns the operations by method and path, with parameters in paths unnamed: `get /orders/{}`. */
function operationsOf(document: ParsedDocument): Map<string, Operation> {
  const operations = new Map<string, Operation>()
  const { paths, security } = document.root
  for (const [path, reference] of Object.entries(isObject(paths) ? paths : {})) {
    const item = document.resolve(reference)
    if (path.startsWith('x-') || !isObject(item)) continue
    for (const method of METHODS) {
      const definition = document.resolve(item[method])
      if (!isObject(definition)) continue
      operations.set(`${method} ${withoutNames(path)}`, {
        method: method.toUpperCase(),
        path,
        pointer: document.pointerOf(definition),
        definition,
        shared: Array.isArray(item.parameters) ? item.parameters : [],
        security: definition.security ?? security
      })
    }
  }
  return operations
}

function withoutNames(path: string): string {
  return path.replace(/\{[^{}]*\}/g, '{}')
}

/** True if an operation was deprecated, and its `x-sunset` has passed. */
function hasEnded({ definition }: Operation, time: number): boolean {
  const sunset = Date.parse(String(definition['x-sunset']))
  return definition.deprecated === true && sunset <= time
}

/** Compares what stands beside the paths. */
function compareTops({ old, now }: Documents, changes: Change[]): void {
  const report = createReport(changes, '', '')
  const urlsOf = ({ root }: ParsedDocument) =>
    (Array.isArray(root.servers) ? root.servers : [{ url: '/' }]).map(server => String((server as Json)?.url))
  const urls = urlsOf(now)
  for (const url of old.root.servers === undefined ? [] : urlsOf(old))
    if (!urls.includes(url)) report.add('server-removed', 'server', '/servers', `${url} removed`)
  reportChanged(old.root.webhooks, now.root.webhooks, 'webhook', '/webhooks', report)
  for (const [path, item] of Object.entries(isObject(old.root.paths) ? old.root.paths : {}))
    if (!path.startsWith('x-') && !isObject(old.resolve(item)))
      report.add('cannot-tell', 'path', `/paths${pointerTo(path)}`, 'reference leads nowhere')
}
