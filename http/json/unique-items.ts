import type { Ajv } from '@fastify/ajv-compiler'

/**
 * Replaces ajv's `uniqueItems` with one that takes linear time. Ajv's compares each object with all others: 16,000 of
 * them, in a body of 180 KB, blocked a worker for 12 s.
 */
export function uniqueItemsPlugin(ajv: Ajv): Ajv {
  ajv.removeKeyword('uniqueItems')
  return ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    error: { message: 'must NOT have duplicate items' },
    validate: (isUnique: boolean, items: unknown[]) => !isUnique || areUnique(items)
  })
}

function areUnique(items: unknown[]): boolean {
  const seen = new Set<string>()
  for (const item of items) seen.add(canonical(item))
  return seen.size === items.length
}

/** Returns the same text for equal values, independent of the order of their members. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  const members = Object.keys(value).sort()
  return `{${members.map(name => `${JSON.stringify(name)}:${canonical(value[name as never])}`).join()}}`
}
