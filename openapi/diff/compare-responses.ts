import { isObject } from '../../schemas/options/faults.ts'
import type { Json, ParsedDocument } from '../parsed-document.ts'
import { type Report, reportChanged } from './change.ts'
import { compareContent } from './compare-content.ts'
import type { Documents, Operation } from './operation.ts'
import type { Place } from './rules.ts'

export function compareResponses(documents: Documents, old: Operation, now: Operation, report: Report): void {
  const { old: oldDocument, now: newDocument } = documents
  const [olds, news] = [responsesOf(old), responsesOf(now)]
  for (const [status, reference] of Object.entries(olds)) {
    const found = findStatus(news, status)
    const kind = isSuccess(status) ? 'success' : 'problem'
    const part = `response ${status}`
    if (found === undefined) {
      report.add(`${kind}-status-removed`, part, oldDocument.pointerOf(reference), 'removed')
      continue
    }
    const [before, after] = [oldDocument.resolve(reference), newDocument.resolve(found)]
    if (isObject(before) && isObject(after)) compareResponse(documents, before, after, status, report)
    else report.add('cannot-tell', part, newDocument.pointerOf(found), 'reference leads nowhere')
  }
  for (const [status, reference] of Object.entries(news)) {
    if (findStatus(olds, status) !== undefined) {
      // Compared above, unless only a range or `default` included it.
      if (Object.hasOwn(olds, status) || findStatus(olds, status) === undefined) continue
      const [before, after] = [oldDocument.resolve(findStatus(olds, status)), newDocument.resolve(reference)]
      if (isObject(before) && isObject(after)) compareResponse(documents, before, after, status, report)
      continue
    }
    const kind = isSuccess(status) ? 'success' : 'problem'
    report.add(`${kind}-status-added`, `response ${status}`, newDocument.pointerOf(reference), 'added')
  }
}

function responsesOf({ definition: { responses } }: Operation): Json {
  if (!isObject(responses)) return {}
  const entries = Object.entries(responses).filter(([status]) => !status.startsWith('x-'))
  return Object.fromEntries(entries.map(([status, response]) => [status.toUpperCase(), response]))
}

/** Returns the response for a status: its own, that of its range, or the default. */
function findStatus(responses: Json, status: string): unknown {
  const own = (name: string) => (Object.hasOwn(responses, name) ? responses[name] : undefined)
  // A default stands for errors: a success is always listed.
  return own(status) ?? own(`${status[0]}XX`) ?? (isSuccess(status) ? undefined : own('DEFAULT'))
}

function isSuccess(status: string): boolean {
  return /^[123]/.test(status)
}

function compareResponse(documents: Documents, old: Json, now: Json, status: string, report: Report): void {
  const place: Place = isSuccess(status) ? 'response' : 'problem'
  const part = `response ${status.replace('DEFAULT', 'default')}`
  compareContent(documents, old, now, place, part, report)
  const [olds, news] = [headersOf(documents.old, old), headersOf(documents.now, now)]
  for (const [name, before] of olds) {
    const after = news.get(name)
    const header = `${part} header ${name}`
    const wasRequired = before.required === true
    if (after === undefined) {
      report.add(
        wasRequired ? 'required-header-removed' : 'header-removed',
        header,
        documents.old.pointerOf(before),
        'removed'
      )
      continue
    }
    const pointer = documents.now.pointerOf(after)
    const isRequired = after.required === true
    if (wasRequired !== isRequired)
      report.add(
        isRequired ? 'header-required' : 'header-optional',
        header,
        pointer,
        isRequired ? 'from optional to required' : 'from required to optional'
      )
    const context = { place, isText: true }
    const { schemas } = documents
    report.addSchemas(place, header, schemas.compare(before.schema ?? true, after.schema ?? true, context))
  }
  for (const [name, after] of news)
    if (!olds.has(name))
      report.add('header-added', `${part} header ${name}`, documents.now.pointerOf(after), 'added')
  reportChanged(old.links, now.links, `${part} link`, documents.now.pointerOf(now), report)
}

function headersOf(document: ParsedDocument, { headers }: Json): Map<string, Json> {
  const entries = Object.entries(isObject(headers) ? headers : {}).map(
    ([name, reference]) => [name.toLowerCase(), document.resolve(reference)] as const
  )
  return new Map(entries.filter((entry): entry is [string, Json] => isObject(entry[1])))
}
