import type { IncomingMessage } from 'node:http'
import { createProblem, type ProblemError } from '../http/problem.ts'
import type { VersionSources } from '../schemas/options/versions.ts'
import { type Preference, weigh } from './preference.ts'

const VersionUnknown = createProblem('SLUICE_VERSION_UNKNOWN', 'No such API version', 400)
const VersionConflict = createProblem(
  'SLUICE_VERSION_CONFLICT',
  'The request names several API versions',
  400
)
const VersionMissing = createProblem('SLUICE_VERSION_MISSING', 'The request must name an API version', 400)

export const UNKNOWN = Symbol('unknown')
export const CONFLICT = Symbol('conflict')

/** Name of the version that a request selects, or undefined if it names none. */
export type Selection = string | undefined | typeof UNKNOWN | typeof CONFLICT

/** @param inPath version in the request's path; the other sources must agree with it */
export type Selector = (request: IncomingMessage, inPath?: string) => Selection

/**
 * Returns a function that reads which version a request selects by header, query and media type, or undefined if
 * `sources` has none of them. The `v` before a number may be left out: `Accept-Version: 2` is v2.
 * @param names of the versions, oldest first
 */
export function createSelector(sources: VersionSources, names: string[]): Selector | undefined {
  const byAlias = new Map<string, string>()
  for (const name of names) if (/^v\d/.test(name)) byAlias.set(name.slice(1), name)
  for (const name of names) byAlias.set(name, name)
  const nameOf = (value: string) => byAlias.get(value)

  const readers: ((request: IncomingMessage) => readonly string[])[] = []
  const { header, mediaType, query, default: fallback } = sources
  if (header !== undefined) readers.push(headerReader(header.toLowerCase()))
  if (query !== undefined) readers.push(queryReader(query))
  if (readers.length === 0 && mediaType === undefined) return undefined

  return (request, inPath) => {
    let selected = inPath
    for (const read of readers) {
      for (const value of read(request)) {
        const name = nameOf(value)
        if (name === undefined) return UNKNOWN
        if (selected !== undefined && selected !== name) return CONFLICT
        selected = name
      }
    }
    const { accept } = request.headers
    if (mediaType === undefined || accept === undefined || !accept.includes(';')) return selected
    const preference = weigh(accept, mediaType, nameOf)
    if (preference === undefined) return selected
    if (selected === undefined) return preferred(preference)
    return preference.accepts(selected) ? selected : preference.isUnknown ? UNKNOWN : CONFLICT
  }

  /** Returns undefined for the default version. */
  function preferred({ best, isOpen, isUnknown, accepts }: Preference): Selection {
    if (isUnknown) return UNKNOWN
    const isNamed = best.length > 0 && !(isOpen && fallback !== undefined)
    if (isNamed) return best.length === 1 ? best[0] : CONFLICT
    if (fallback === undefined || accepts(fallback)) return undefined
    return names.findLast(accepts) ?? UNKNOWN
  }
}

const NOTHING: readonly string[] = []

/** A header that was sent twice is one value with a comma, and so an unknown version. */
function headerReader(name: string) {
  return ({ headers }: IncomingMessage) => {
    const value = headers[name]
    return value === undefined ? NOTHING : [String(value)]
  }
}

function queryReader(parameter: string) {
  return ({ url }: IncomingMessage) => {
    const start = (url as string).indexOf('?')
    return start === -1 ? NOTHING : new URLSearchParams((url as string).slice(start + 1)).getAll(parameter)
  }
}

/**
 * Returns the 400 for a selection that is not one of `versions`. It lists them and does not repeat what the client sent.
 */
export function selectionError(selection: Selection, versions: string[]): ProblemError {
  const VersionError =
    selection === CONFLICT ? VersionConflict : selection === undefined ? VersionMissing : VersionUnknown
  return new VersionError({ members: { versions } })
}
