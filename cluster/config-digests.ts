import { createHash } from 'node:crypto'
import { inspect } from 'node:util'

/** Digests of the values of a config by their path, such as `upstreams.orders.url`. Tells what differs without the values. */
export type ConfigDigests = Record<string, string>

const MAX_PATHS = 5_000
const DEPTH = 8

/** Digests values that are no plain objects; lists count as one value. Beyond `MAX_PATHS` the rest is left out. */
export function configDigests(config: object): ConfigDigests {
  const digests: ConfigDigests = {}
  let left = MAX_PATHS
  visit(config, '', 0)
  return digests

  function visit(value: unknown, path: string, depth: number): void {
    if (isPlain(value) && depth < DEPTH && Object.keys(value).length > 0) {
      for (const [name, member] of Object.entries(value))
        visit(member, path === '' ? name : `${path}.${name}`, depth + 1)
    } else if (value !== undefined && left-- > 0) digests[path] = digest(value)
  }
}

/** Returns the names whose digests differ, or that only one has. */
export function changedNames(before: Record<string, string>, after: Record<string, string>): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].filter(name => before[name] !== after[name]).sort()
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function digest(value: unknown): string {
  const text =
    typeof value === 'function'
      ? String(value)
      : inspect(value, { depth: DEPTH, maxArrayLength: null, maxStringLength: null, breakLength: Infinity })
  return createHash('sha256').update(text).digest('base64url').slice(0, 22)
}
