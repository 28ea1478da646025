import { isObject } from '../../schemas/options/faults.ts'
import { canonical } from '../canonical.ts'
import type { Json, ParsedDocument } from '../parsed-document.ts'
import type { Report } from './change.ts'
import { compareContent } from './compare-content.ts'
import type { Documents, Operation } from './operation.ts'

interface Parameter {
  name: string
  in: string
  isRequired: boolean
  definition: Json
  pointer: string
}

export function compareParameters(
  documents: Documents,
  old: Operation,
  now: Operation,
  report: Report
): void {
  const [olds, news] = [parametersOf(documents.old, old, report), parametersOf(documents.now, now, report)]
  for (const [key, before] of olds) {
    const after = news.get(key)
    const part = `${before.in} parameter ${before.name}`
    if (after !== undefined) {
      compareParameter(documents, before, after, report)
      continue
    }
    const moved = [...news].find(([other, one]) => !olds.has(other) && one.name === before.name)?.[1]
    if (moved === undefined) report.add('parameter-removed', part, before.pointer, 'removed')
    else report.add('parameter-moved', part, moved.pointer, `moved to ${moved.in}`)
  }
  for (const [key, after] of news) {
    if (olds.has(key)) continue
    const rule = after.isRequired ? 'required-parameter-added' : 'parameter-added'
    const isMoved = [...olds].some(([other, one]) => !news.has(other) && one.name === after.name)
    if (!isMoved) report.add(rule, `${after.in} parameter ${after.name}`, after.pointer, 'added')
  }
}

/** Returns the parameters by place and name. Those of a path go by their position, since no client sends their names. */
function parametersOf(
  document: ParsedDocument,
  { path, shared, definition }: Operation,
  report: Report
): Map<string, Parameter> {
  const parameters = new Map<string, Parameter>()
  const names = [...path.matchAll(/\{([^{}]*)\}/g)].map(([, name]) => name)
  const own = Array.isArray(definition.parameters) ? definition.parameters : []
  for (const reference of [...shared, ...own]) {
    const parameter = document.resolve(reference)
    if (!isObject(parameter)) {
      report.add('cannot-tell', 'parameter', document.pointerOf(reference), 'reference leads nowhere')
      continue
    }
    const place = String(parameter.in)
    const name = String(parameter.name)
    // OpenAPI ignores these header parameters; content and security describe them.
    if (place === 'header' && /^(accept|content-type|authorization)$/i.test(name)) continue
    const key = place === 'path' ? names.indexOf(name) : place === 'header' ? name.toLowerCase() : name
    parameters.set(`${place} ${key}`, {
      name,
      in: place,
      isRequired: parameter.required === true || place === 'path',
      definition: parameter,
      pointer: document.pointerOf(parameter)
    })
  }
  return parameters
}

function compareParameter(documents: Documents, old: Parameter, now: Parameter, report: Report): void {
  const part = `${now.in} parameter ${now.name}`
  if (old.in === 'path' && old.name !== now.name)
    report.add('path-parameter-renamed', part, now.pointer, `name from ${old.name} to ${now.name}`)
  if (old.isRequired !== now.isRequired)
    report.add(
      now.isRequired ? 'parameter-required' : 'parameter-optional',
      part,
      now.pointer,
      now.isRequired ? 'from optional to required' : 'from required to optional'
    )
  if (encodingOf(old) !== encodingOf(now))
    report.add('parameter-encoding-changed', part, now.pointer, `${encodingOf(old)} to ${encodingOf(now)}`)
  else if (isObject(old.definition.content) && isObject(now.definition.content))
    compareContent(documents, old.definition, now.definition, 'request', part, report)
  else {
    const context = { place: 'request', isText: true } as const
    const { schemas } = documents
    report.addSchemas(
      'request',
      part,
      schemas.compare(old.definition.schema ?? true, now.definition.schema ?? true, context)
    )
  }
}

/** Returns how a value is written: `form, explode`. */
function encodingOf({ in: place, definition }: Parameter): string {
  if (isObject(definition.content)) return 'content'
  const style = definition.style ?? (place === 'query' || place === 'cookie' ? 'form' : 'simple')
  const explode = definition.explode ?? style === 'form'
  return [style, explode && 'explode', definition.allowReserved === true && 'allowReserved']
    .filter(Boolean)
    .map(value => (typeof value === 'string' ? value : canonical(value)))
    .join(', ')
}
