import { isObject } from '../../schemas/options/faults.ts'
import { canonical } from '../canonical.ts'
import type { Json } from '../parsed-document.ts'
import type { Report } from './change.ts'
import type { Documents } from './operation.ts'
import type { Place } from './rules.ts'

/** Compares the media types of a body, and the schema of each. */
export function compareContent(
  { old, now, schemas }: Documents,
  before: Json,
  after: Json,
  place: Place,
  part: string,
  report: Report
): void {
  const [olds, news] = [mediaTypesOf(before), mediaTypesOf(after)]
  const direction = place === 'request' ? 'request' : 'response'
  if (direction === 'response' && olds.size > 0 !== news.size > 0) {
    const isAdded = news.size > 0
    const pointer = isAdded ? now.pointerOf(after) : old.pointerOf(before)
    report.add(
      isAdded ? 'response-content-added' : 'response-content-removed',
      part,
      pointer,
      isAdded ? 'body added' : 'body removed'
    )
    return
  }
  for (const [type, media] of olds) {
    const found = news.get(type) ?? findRange(news, type)
    if (found === undefined) {
      report.add(`${direction}-media-type-removed`, part, old.pointerOf(media), `${type} removed`)
      continue
    }
    const [oldMedia, newMedia] = [old.resolve(media) as Json, now.resolve(found) as Json]
    const changes = schemas.compare(oldMedia?.schema ?? true, newMedia?.schema ?? true, {
      place,
      isText: false
    })
    report.addSchemas(place, olds.size + news.size > 2 ? `${part} ${type}` : part, changes)
    if (canonical(oldMedia?.encoding ?? null) !== canonical(newMedia?.encoding ?? null))
      report.add('cannot-tell', `${part} ${type}`, now.pointerOf(found), 'encoding changed')
  }
  for (const [type, media] of news)
    if (!olds.has(type) && findRange(olds, type) === undefined)
      report.add(`${direction}-media-type-added`, part, now.pointerOf(media), `${type} added`)
}

function mediaTypesOf({ content }: Json): Map<string, unknown> {
  return new Map(
    Object.entries(isObject(content) ? content : {}).map(([type, media]) => [
      // The charset of JSON is always UTF-8 (RFC 8259, section 8.1).
      type.toLowerCase().replace(/\s*;\s*charset=utf-8$/, ''),
      media
    ])
  )
}

/** Returns the media type range, such as `application/*`, that includes `type`. */
function findRange(types: Map<string, unknown>, type: string): unknown {
  return types.get(`${type.split('/')[0]}/*`) ?? types.get('*/*')
}
