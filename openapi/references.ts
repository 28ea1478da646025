import { unescapePointer } from '../http/json/pointer.ts'
import type { Components, OpenApiDocument } from './document-types.ts'

const COMPONENT = /^#\/components\/([^/]+)\/([^/]+)/

/** Calls `visit` with every value of a JSON tree that is an object. */
export function walk(value: unknown, visit: (object: Record<string, unknown>) => void): void {
  if (Array.isArray(value)) for (const item of value) walk(item, visit)
  else if (typeof value === 'object' && value !== null) {
    visit(value as Record<string, unknown>)
    for (const member of Object.values(value)) walk(member, visit)
  }
}

/** Returns the document with those components only that its operations refer to, also indirectly. */
export function dropUnusedComponents(document: OpenApiDocument): OpenApiDocument {
  const used = new Set<string>()
  const collect = (value: unknown): void =>
    walk(value, ({ $ref, security }) => {
      const [, kind, name] = COMPONENT.exec(String($ref)) ?? []
      if (kind !== undefined && name !== undefined) add(kind, name)
      if (Array.isArray(security))
        for (const name of security.flatMap(Object.keys)) used.add(`securitySchemes/${name}`)
    })
  const add = (kind: string, encoded: string): void => {
    const name = unescapePointer(decodeURIComponent(encoded))
    if (used.has(`${kind}/${name}`)) return
    used.add(`${kind}/${name}`)
    collect(document.components[kind]?.[name])
  }
  collect(document.paths)
  const components: Components = {}
  for (const [kind, named] of Object.entries(document.components)) {
    const kept = Object.entries(named).filter(([name]) => used.has(`${kind}/${name}`))
    if (kept.length > 0) components[kind] = Object.fromEntries(kept)
  }
  return { ...document, components }
}
