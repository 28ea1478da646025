import { Value } from 'typebox/value'
import type { Input } from '../schemas/options/defaults.ts'
import { ConfigError, type ConfigFault, faultsOf } from '../schemas/options/faults.ts'
import { EditOptions, type HeaderEdit, type QueryEdit } from '../schemas/options/header-modifier.ts'
import type { Headers } from './call-types.ts'
import { isClientsToSend, isServicesToSend } from './headers.ts'
import { rewriteLocations } from './location.ts'

/**
 * Edits of forwarded messages, compiled once: headers and query of the request, headers of the response, and URLs in it.
 * Framing, hop-by-hop headers and headers of the gateway cannot be edited: that is a fault when the route is created.
 */
export interface Edit {
  /** Removed from the path after the scope's prefix. */
  strip: string
  /** Returns the path with its query as sent to the service. */
  query?: ((path: string) => string) | undefined
  request?: ((headers: Headers) => void) | undefined
  response?: ((headers: Headers) => void) | undefined
}

export type EditDefinition = Input<typeof EditOptions>

/**
 * @param route name in faults
 * @param inner URLs of the service that correspond to `outer`, the scope's prefix
 * @throws ConfigError with every fault
 */
export function compileEdit(
  definition: EditDefinition,
  route: string,
  url: string,
  inner: () => readonly URL[],
  outer: string
): Edit {
  const options = Value.Default(EditOptions, structuredClone(definition)) as EditOptions
  const faults = faultsOf(EditOptions, options)
  const { strip = '', request, response } = options
  if (faults.length === 0) {
    faults.push(...badNames(options))
    if (strip !== '' && url !== strip && !url.startsWith(`${strip}/`))
      faults.push({ path: '/strip', message: `must be what ${url} begins with` })
  }
  if (faults.length > 0)
    throw new ConfigError(faults.map(({ path, message }) => ({ path: `${route} /edit${path}`, message })))

  const headers = response?.headers && headerEditor(response.headers)
  const isLocated = response?.location === true
  const from = isLocated ? inner() : undefined
  return {
    strip,
    query: request?.query && queryEditor(request.query),
    request: request?.headers && headerEditor(request.headers),
    response:
      from === undefined
        ? headers
        : answered => {
            rewriteLocations(answered, from, outer + strip)
            headers?.(answered)
          }
  }
}

const TOKEN = /^[!#$%&'*+.^`|~\w-]+$/

function badNames({ request, response }: EditOptions): ConfigFault[] {
  const check = (at: string, edit: HeaderEdit | undefined, isAllowed: (name: string) => boolean) => {
    const { rename = {}, remove = [], set = {}, add = {} } = edit ?? {}
    const named: [path: string, name: string][] = [
      ...Object.entries(rename).flatMap(([from, to]): [string, string][] => [
        [`/rename/${from}`, from],
        [`/rename/${from}`, to]
      ]),
      ...remove.map((name, i): [string, string] => [`/remove/${i}`, name]),
      ...Object.keys(set).map((name): [string, string] => [`/set/${name}`, name]),
      ...Object.keys(add).map((name): [string, string] => [`/add/${name}`, name])
    ]
    return named.flatMap(([path, name]) => {
      const message = !TOKEN.test(name)
        ? `'${name}' is not the name of a header`
        : isAllowed(name.toLowerCase())
          ? undefined
          : `${name} cannot be changed by a route`
      return message === undefined ? [] : [{ path: at + path, message }]
    })
  }
  return [
    ...check('/request/headers', request?.headers, isClientsToSend),
    ...check('/response/headers', response?.headers, isServicesToSend)
  ]
}

function headerEditor({ rename, remove, set, add }: HeaderEdit): (headers: Headers) => void {
  const lower = <Value>(values: Record<string, Value>) =>
    Object.entries(values).map(([name, value]): [string, Value] => [name.toLowerCase(), value])
  const renames = lower(rename).map(([from, to]): [string, string] => [from, to.toLowerCase()])
  const removes = remove.map(name => name.toLowerCase())
  const sets = lower(set)
  const adds = lower(add)

  return headers => {
    for (const [from, to] of renames) {
      const value = headers[from]
      if (value === undefined) continue
      delete headers[from]
      headers[to] = value
    }
    for (const name of removes) delete headers[name]
    for (const [name, value] of sets) headers[name] = value
    for (const [name, value] of adds) {
      const before = headers[name]
      // Joined to one line, except cookies (RFC 9110, 5.3).
      if (before === undefined) headers[name] = value
      else headers[name] = name === 'set-cookie' ? [before, value].flat() : `${before}, ${value}`
    }
  }
}

/** Keeps other parameters unchanged and in order; set and added ones come last. */
function queryEditor({ rename, remove, set, add }: QueryEdit): (path: string) => string {
  const renames = new Map(Object.entries(rename).map(([from, to]) => [from, encodeURIComponent(to)]))
  const gone = new Set([...remove, ...Object.keys(set)])
  const added = [...Object.entries(set), ...Object.entries(add)].map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`
  )

  return path => {
    const at = path.indexOf('?')
    const before = at === -1 ? path : path.slice(0, at)
    const parts: string[] = []
    if (at !== -1 && at !== path.length - 1) {
      for (const part of path.slice(at + 1).split('&')) {
        const equals = part.indexOf('=')
        const name = decoded(equals === -1 ? part : part.slice(0, equals))
        const to = renames.get(name)
        if (gone.has(to === undefined ? name : decoded(to))) continue
        parts.push(to === undefined ? part : to + (equals === -1 ? '' : part.slice(equals)))
      }
    }
    parts.push(...added)
    return parts.length === 0 ? before : `${before}?${parts.join('&')}`
  }
}

/** Decodes a name as most services do. Names that cannot be decoded are not edited. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}
