import { isObject } from '../../schemas/options/faults.ts'
import { type Report, reportChanged } from './change.ts'
import { compareContent } from './compare-content.ts'
import { compareParameters } from './compare-parameters.ts'
import { compareResponses } from './compare-responses.ts'
import { compareSecurity } from './compare-security.ts'
import type { Documents, Operation } from './operation.ts'

export function compareOperations(
  documents: Documents,
  old: Operation,
  now: Operation,
  report: Report
): void {
  const [before, after] = [old.definition, now.definition]
  if (before.operationId !== undefined && before.operationId !== after.operationId)
    report.add(
      'operation-id-changed',
      'operation',
      now.pointer,
      `operationId from ${before.operationId} to ${after.operationId ?? 'none'}`
    )
  if (before.deprecated !== true && after.deprecated === true)
    report.add('operation-deprecated', 'operation', now.pointer, 'deprecated')
  const [oldSunset, newSunset] = [before, after].map(definition => Date.parse(String(definition['x-sunset'])))
  if ((newSunset as number) < (oldSunset as number))
    report.add(
      'sunset-earlier',
      'operation',
      now.pointer,
      `sunset from ${before['x-sunset']} to ${after['x-sunset']}`
    )

  compareParameters(documents, old, now, report)
  compareBodies(documents, old, now, report)
  compareResponses(documents, old, now, report)
  compareSecurity(documents, old, now, report)
  reportChanged(before.callbacks, after.callbacks, 'callback', now.pointer, report)
}

function compareBodies(documents: Documents, old: Operation, now: Operation, report: Report): void {
  const before = documents.old.resolve(old.definition.requestBody)
  const after = documents.now.resolve(now.definition.requestBody)
  const part = 'request body'
  if (!isObject(after)) {
    if (isObject(before)) report.add('body-removed', part, documents.old.pointerOf(before), 'removed')
    return
  }
  const pointer = documents.now.pointerOf(after)
  const isRequired = after.required === true
  if (!isObject(before)) {
    report.add(isRequired ? 'required-body-added' : 'body-added', part, pointer, 'added')
    return
  }
  const wasRequired = before.required === true
  if (isRequired !== wasRequired)
    report.add(
      isRequired ? 'body-required' : 'body-optional',
      part,
      pointer,
      isRequired ? 'from optional to required' : 'from required to optional'
    )
  compareContent(documents, before, after, 'request', part, report)
}
