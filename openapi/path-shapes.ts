import type { OpenApiDocument, Operation, Parameter } from './document-types.ts'

/**
 * Returns the path in `paths` that differs from `path` at most in the names of its parameters, else `path`: a document
 * must not have both. Renames the parameters of `operation` accordingly.
 */
export function pathOf(paths: OpenApiDocument['paths'], path: string, operation: Operation): string {
  if (paths[path] !== undefined) return path
  const shape = shapeOf(path)
  const other = Object.keys(paths).find(known => shapeOf(known) === shape)
  if (other === undefined) return path
  const names = namesOf(other)
  const renames = new Map(namesOf(path).map((name, i) => [name, names[i] as string]))
  operation.parameters = operation.parameters?.map(parameter =>
    (parameter as Parameter).in === 'path'
      ? { ...parameter, name: renames.get((parameter as Parameter).name) as string }
      : parameter
  ) as Parameter[]
  return other
}

/** Merges paths that differ only in the names of their parameters. */
export function mergeShapes(document: OpenApiDocument): void {
  const { paths } = document
  document.paths = {}
  for (const [path, item] of Object.entries(paths))
    for (const [method, operation] of Object.entries(item)) {
      const place = pathOf(document.paths, path, operation)
      document.paths[place] = { [method]: operation, ...document.paths[place] }
    }
}

function shapeOf(path: string): string {
  return path.replace(/\{[^{}]*\}/g, '{}')
}

function namesOf(path: string): string[] {
  return [...path.matchAll(/\{([^{}]*)\}/g)].map(([, name = '']) => name)
}
