import { isObject } from '../../schemas/options/faults.ts'
import { canonical } from '../canonical.ts'
import type { Json, ParsedDocument } from '../parsed-document.ts'
import type { Report } from './change.ts'
import type { Documents, Operation } from './operation.ts'

/** Schemes with their scopes, all of which a request needs. */
type Requirement = Map<string, string[]>

/** Compares the alternatives of credentials: one that was accepted must still be. */
export function compareSecurity(
  { old, now }: Documents,
  before: Operation,
  after: Operation,
  report: Report
): void {
  const [olds, news] = [requirementsOf(before), requirementsOf(after)]
  const add = (rule: Parameters<Report['add']>[0], change: string, pointer = after.pointer) =>
    report.add(rule, 'security', pointer, change)

  if (olds.length === 0) {
    if (news.length > 0 && news.every(one => one.size > 0))
      add('security-added', `${nameOf(news[0])} required`)
  } else if (news.length === 0) add('security-removed', 'no credentials required')
  else {
    for (const alternative of olds) {
      if (news.some(one => isSatisfied(one, alternative))) continue
      if (alternative.size === 0) {
        add('security-added', `${nameOf(news[0])} required`)
        continue
      }
      const widened = news.find(one => [...one.keys()].every(name => alternative.has(name)))
      const scopes = [...(widened ?? [])].flatMap(([name, list]) =>
        list.filter(scope => !alternative.get(name)?.includes(scope))
      )
      if (widened === undefined)
        add('security-alternative-removed', `${nameOf(alternative)} not accepted any more`)
      else for (const scope of scopes) add('scope-added', `scope ${scope} required`)
    }
    for (const alternative of news)
      if (
        !olds.some(one => isSatisfied(one, alternative)) &&
        !olds.some(one => hasSameNames(one, alternative))
      )
        add('security-alternative-added', `${nameOf(alternative)} accepted too`)
  }
  const names = new Set(olds.flatMap(one => [...one.keys()]))
  for (const name of names) if (news.some(one => one.has(name))) compareSchemes(old, now, name, add)
}

/** An alternative without schemes means that credentials are optional. */
function requirementsOf({ security }: Operation): Requirement[] {
  if (!Array.isArray(security)) return []
  const requirements = security
    .filter(isObject)
    .map(one => new Map(Object.entries(one).map(([name, scopes]) => [name, [scopes].flat().map(String)])))
  return requirements.length === 1 && requirements[0]?.size === 0 ? [] : requirements
}

/** True if credentials for `given` are enough for `required`. */
function isSatisfied(required: Requirement, given: Requirement): boolean {
  return [...required].every(([name, scopes]) => {
    const granted = given.get(name)
    return granted !== undefined && scopes.every(scope => granted.includes(scope))
  })
}

function hasSameNames(a: Requirement, b: Requirement): boolean {
  return a.size === b.size && [...a.keys()].every(name => b.has(name))
}

function nameOf(requirement: Requirement | undefined): string {
  return [...(requirement?.keys() ?? [])].join(' and ') || 'none'
}

function compareSchemes(
  old: ParsedDocument,
  now: ParsedDocument,
  name: string,
  add: (
    rule: 'security-scheme-changed' | 'security-url-changed' | 'cannot-tell',
    change: string,
    pointer?: string
  ) => void
): void {
  const [before, after] = [schemeOf(old, name), schemeOf(now, name)]
  if (before === undefined || after === undefined) {
    if (before !== after) add('cannot-tell', `${name} is not defined`)
    return
  }
  const pointer = now.pointerOf(after)
  for (const member of ['type', 'in', 'name', 'scheme'])
    if (textOf(before[member]) !== textOf(after[member]))
      add('security-scheme-changed', `${name}: ${member} from ${before[member]} to ${after[member]}`, pointer)
  if (before.openIdConnectUrl !== after.openIdConnectUrl)
    add('security-url-changed', `${name}: openIdConnectUrl changed`, pointer)
  if (urlsOf(before) !== urlsOf(after)) add('security-url-changed', `${name}: flows changed`, pointer)
}

/** Returns the flows without their scopes, which operations name if they need them. */
function urlsOf({ flows }: Json): string {
  const entries = Object.entries(isObject(flows) ? flows : {})
  return canonical(entries.map(([name, flow]) => [name, isObject(flow) ? { ...flow, scopes: null } : flow]))
}

/** Names of schemes and headers are case-insensitive. */
function textOf(value: unknown): string {
  return String(value).toLowerCase()
}

function schemeOf({ root, resolve }: ParsedDocument, name: string): Json | undefined {
  const { securitySchemes } = (isObject(root.components) ? root.components : {}) as { securitySchemes?: Json }
  const scheme =
    isObject(securitySchemes) && Object.hasOwn(securitySchemes, name) ? securitySchemes[name] : undefined
  const resolved = resolve(scheme)
  return isObject(resolved) ? resolved : undefined
}
