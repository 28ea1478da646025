import type { RouteVersioning } from '../observe/route-metadata.ts'
import type { Parameter } from './document-types.ts'

/**
 * Returns the parameters with which a request at a path without version selects `version`. Only one of several sources is
 * required; the document requires the first, so that a client made from it selects what it expects.
 */
export function versionParameters(
  { isInPath, sources, names }: RouteVersioning,
  version: string
): Parameter[] {
  if (isInPath) return []
  const { header, query, default: fallback } = sources
  const values = valuesOf(version, names)
  const schema = { type: 'string', enum: values }
  const description = `Version of the API${fallback === version ? '' : `; without it, ${fallback ?? 'none is served'}`}.`
  const isRequired = fallback !== version
  const parameters: Parameter[] = []
  if (header !== undefined)
    parameters.push({ name: header, in: 'header', required: isRequired, description, schema })
  if (query !== undefined)
    parameters.push({
      name: query,
      in: 'query',
      required: isRequired && header === undefined,
      description,
      schema
    })
  return parameters
}

/** Returns a sentence on the media type that selects `version`. OpenAPI has no parameter for `Accept`. */
export function acceptSentence({ sources, isInPath }: RouteVersioning, version: string): string | undefined {
  const { mediaType } = sources
  if (mediaType === undefined || isInPath) return undefined
  return `\`Accept: application/json;${mediaType}=${version}\` selects this version too.`
}

/** The `v` before a number may be left out, unless another version has that name. */
function valuesOf(version: string, names: readonly string[]): string[] {
  const short = /^v\d/.test(version) ? version.slice(1) : undefined
  return short === undefined || names.includes(short) ? [version] : [version, short]
}
