import type { IncomingMessage } from 'node:http'
import createError from '@fastify/error'
import type { VersionChoiceOptions } from '../../schemas/version.ts'
import type { ProblemError } from '../problem.ts'

const Unknown = createError('SLUICE_VERSION_UNKNOWN', 'There is no such version', 400, Error, false)
const Conflict = createError('SLUICE_VERSION_CONFLICT', 'Several versions are asked for', 400, Error, false)
const Missing = createError('SLUICE_VERSION_MISSING', 'A version must be asked for', 400, Error, false)

/** What a request says of its version, beside its path: a version's name, nothing, one that there is not, or several. */
export type Said = string | undefined | typeof UNKNOWN | typeof CONFLICT

export const UNKNOWN = Symbol('unknown')
export const CONFLICT = Symbol('conflict')

export type ReadChoice = (request: IncomingMessage) => Said

/**
 * Reads from a request which of `names` it asks for. The `v` before a number may be left out, but in the path:
 * `Accept-Version: 2` is v2. Undefined if only the path chooses.
 */
export function createChoice(options: VersionChoiceOptions, names: string[]): ReadChoice | undefined {
  const byAlias = new Map<string, string>()
  for (const name of names) if (/^v\d/.test(name)) byAlias.set(name.slice(1), name)
  for (const name of names) byAlias.set(name, name)

  const sources: ((request: IncomingMessage) => readonly string[])[] = []
  const { header, mediaType, query } = options
  if (header !== undefined) sources.push(headerReader(header.toLowerCase()))
  if (mediaType !== undefined) sources.push(mediaTypeReader(mediaType))
  if (query !== undefined) sources.push(queryReader(query))
  if (sources.length === 0) return undefined

  return request => {
    let said: string | undefined
    for (const source of sources) {
      for (const value of source(request)) {
        const name = byAlias.get(value)
        if (name === undefined) return UNKNOWN
        if (said !== undefined && said !== name) return CONFLICT
        said = name
      }
    }
    return said
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

/** RFC 9110, 12.5.1: of every media range that has the parameter. */
function mediaTypeReader(parameter: string) {
  const pattern = new RegExp(`;[ \\t]*${parameter}=(?:"([^"]*)"|([^\\s;,"]*))`, 'gi')
  return ({ headers: { accept } }: IncomingMessage) => {
    if (accept === undefined || !accept.includes(';')) return NOTHING
    return Array.from(accept.matchAll(pattern), ([, quoted, token]) => quoted ?? (token as string))
  }
}

function queryReader(parameter: string) {
  return ({ url }: IncomingMessage) => {
    const at = (url as string).indexOf('?')
    return at === -1 ? NOTHING : new URLSearchParams((url as string).slice(at + 1)).getAll(parameter)
  }
}

/** 400, with the versions that there are. What the client wrote is not repeated. */
export function refusal(said: Said, versions: string[]): ProblemError {
  const error: ProblemError =
    said === CONFLICT ? new Conflict() : said === undefined ? new Missing() : new Unknown()
  error.problem = { versions }
  return error
}
