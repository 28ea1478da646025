import { isObject } from '../schemas/options/faults.ts'

/** Returns a document of OpenAPI 3.0 as 3.1, whose schemas are JSON Schema 2020-12. */
export function upgradeDocument(document: Record<string, unknown>): Record<string, unknown> {
  const { components, ...others } = document
  const { schemas, ...rest } = isObject(components) ? components : {}
  return {
    ...(upgradeMembers(others) as object),
    components: {
      ...(upgradeMembers(rest) as object),
      ...(isObject(schemas) && { schemas: mapMembers(schemas, upgradeSchema) })
    }
  }
}

/** Upgrades the schemas below a value that is not one itself. */
function upgradeMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(upgradeMembers)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      if (name === 'example' || name === 'examples') return [name, member]
      return [name, name === 'schema' ? upgradeSchema(member) : upgradeMembers(member)]
    })
  )
}

/** Keywords that hold a schema, several, or several by name. */
const ONE = ['additionalProperties', 'items', 'not']
const SEVERAL = ['allOf', 'anyOf', 'oneOf']

function upgradeSchema(schema: unknown): unknown {
  if (!isObject(schema)) return schema
  // Members beside a reference are ignored in 3.0, and count in 3.1.
  if (typeof schema.$ref === 'string') return { $ref: schema.$ref }
  const { nullable, exclusiveMinimum, exclusiveMaximum, minimum, maximum, example, ...upgraded } = schema
  for (const name of ONE) if (name in upgraded) upgraded[name] = upgradeSchema(upgraded[name])
  for (const name of SEVERAL)
    if (Array.isArray(upgraded[name])) upgraded[name] = upgraded[name].map(upgradeSchema)
  if (isObject(upgraded.properties)) upgraded.properties = mapMembers(upgraded.properties, upgradeSchema)

  if (nullable === true && typeof upgraded.type === 'string') upgraded.type = [upgraded.type, 'null']
  if (minimum !== undefined) upgraded[exclusiveMinimum === true ? 'exclusiveMinimum' : 'minimum'] = minimum
  if (maximum !== undefined) upgraded[exclusiveMaximum === true ? 'exclusiveMaximum' : 'maximum'] = maximum
  if (example !== undefined) upgraded.examples = [example]
  return upgraded
}

function mapMembers(object: Record<string, unknown>, map: (member: unknown) => unknown) {
  return Object.fromEntries(Object.entries(object).map(([name, member]) => [name, map(member)]))
}
