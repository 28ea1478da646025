import type { IncomingMessage } from 'node:http'
import createError from '@fastify/error'
import type { ProblemError } from '../http/problem.ts'
import type { VersionChoiceOptions } from '../schemas/options/versions.ts'
import { type Preference, weigh } from './preference.ts'

const Unknown = createError('SLUICE_VERSION_UNKNOWN', 'There is no such version', 400, Error, false)
const Conflict = createError('SLUICE_VERSION_CONFLICT', 'Several versions are asked for', 400, Error, false)
const Missing = createError('SLUICE_VERSION_MISSING', 'A version must be asked for', 400, Error, false)

/** The version that a request asks for: a name, undefined for none, an unknown one, or several. */
export type Said = string | undefined | typeof UNKNOWN | typeof CONFLICT

export const UNKNOWN = Symbol('unknown')
export const CONFLICT = Symbol('conflict')

/** `inPath`: the version in the path, which the rest of the request must agree with. */
export type ReadChoice = (request: IncomingMessage, inPath?: string) => Said

/**
 * Returns a function that reads which of `names`, oldest first, a request asks for. The `v` before a number may be left
 * out, but in the path: `Accept-Version: 2` is v2. Undefined if only the path chooses.
 */
export function createChoice(options: VersionChoiceOptions, names: string[]): ReadChoice | undefined {
  const byAlias = new Map<string, string>()
  for (const name of names) if (/^v\d/.test(name)) byAlias.set(name.slice(1), name)
  for (const name of names) byAlias.set(name, name)
  const nameOf = (value: string) => byAlias.get(value)

  const sources: ((request: IncomingMessage) => readonly string[])[] = []
  const { header, mediaType, query, default: fallback } = options
  if (header !== undefined) sources.push(headerReader(header.toLowerCase()))
  if (query !== undefined) sources.push(queryReader(query))
  if (sources.length === 0 && mediaType === undefined) return undefined

  return (request, inPath) => {
    let said = inPath
    for (const source of sources) {
      for (const value of source(request)) {
        const name = nameOf(value)
        if (name === undefined) return UNKNOWN
        if (said !== undefined && said !== name) return CONFLICT
        said = name
      }
    }
    const { accept } = request.headers
    if (mediaType === undefined || accept === undefined || !accept.includes(';')) return said
    const preference = weigh(accept, mediaType, nameOf)
    if (preference === undefined) return said
    if (said === undefined) return preferred(preference)
    return preference.accepts(said) ? said : preference.isUnknown ? UNKNOWN : CONFLICT
  }

  /** Undefined for the default. */
  function preferred({ best, isOpen, isUnknown, accepts }: Preference): Said {
    if (isUnknown) return UNKNOWN
    const isNamed = best.length > 0 && !(isOpen && fallback !== undefined)
    if (isNamed) return best.length === 1 ? best[0] : CONFLICT
    if (fallback === undefined || accepts(fallback)) return undefined
    return names.findLast(accepts) ?? UNKNOWN
  }
}

const NOTHING: readonly string[] = []

/** Sent twice it is a list, and a list is no version. */
function headerReader(name: string) {
  return ({ headers }: IncomingMessage) => {
    const value = headers[name]
    return value === undefined ? NOTHING : [String(value)]
  }
}

function queryReader(parameter: string) {
  return ({ url }: IncomingMessage) => {
    const at = (url as string).indexOf('?')
    return at === -1 ? NOTHING : new URLSearchParams((url as string).slice(at + 1)).getAll(parameter)
  }
}

/** Returns a 400 that lists `versions`. It does not repeat what the client wrote. */
export function refusal(said: Said, versions: string[]): ProblemError {
  const error: ProblemError =
    said === CONFLICT ? new Conflict() : said === undefined ? new Missing() : new Unknown()
  error.problem = { versions }
  return error
}
