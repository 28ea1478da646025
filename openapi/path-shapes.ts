import type { OpenApiDocument, Operation, Parameter } from './document-types.ts'

/**
 * Merges paths that differ only in the names of their parameters, since a document must not have both. The parameters get the
 * names of the first such path.
 */
export function mergeShapes(document: OpenApiDocument): void {
  const { paths } = document
  const places = new Map<string, string>()
  document.paths = {}
  for (const [path, item] of Object.entries(paths)) {
    const shape = shapeOf(path)
    const place = places.get(shape) ?? path
    places.set(shape, place)
    for (const [method, operation] of Object.entries(item)) {
      if (place !== path) renameParameters(operation, namesOf(path), namesOf(place))
      document.paths[place] = { [method]: operation, ...document.paths[place] }
    }
  }
}

function renameParameters(operation: Operation, from: string[], to: string[]): void {
  const names = new Map(from.map((name, i) => [name, to[i] as string]))
  operation.parameters = operation.parameters?.map(parameter =>
    (parameter as Parameter).in === 'path'
      ? { ...parameter, name: names.get((parameter as Parameter).name) as string }
      : parameter
  ) as Parameter[]
}

function shapeOf(path: string): string {
  return path.replace(/\{[^{}]*\}/g, '{}')
}

function namesOf(path: string): string[] {
  return [...path.matchAll(/\{([^{}]*)\}/g)].map(([, name = '']) => name)
}
