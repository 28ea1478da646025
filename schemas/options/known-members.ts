/** The part of JSON schemas that `knownMembers` reads. */
interface Node {
  properties?: Record<string, Node>
  patternProperties?: Record<string, Node>
  items?: Node
  anyOf?: Node[]
}

/** Returns the names of the members of a schema at a JSON pointer, in all variants of `anyOf`. */
export function knownMembers(schema: object, pointer: string): string[] {
  const segments = pointer.split('/').slice(1)
  return segments
    .reduce<Node[]>(
      (nodes, segment) =>
        nodes.flatMap(({ properties, patternProperties, items }) => {
          const [named] = Object.values(patternProperties ?? {})
          const next = Object.hasOwn(properties ?? {}, segment) ? properties?.[segment] : (named ?? items)
          return next === undefined ? [] : variantsOf(next)
        }),
      variantsOf(schema)
    )
    .flatMap(({ properties = {} }) => Object.keys(properties))
}

function variantsOf(schema: Node): Node[] {
  return [schema, ...(schema.anyOf ?? []).flatMap(variantsOf)]
}
