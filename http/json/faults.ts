import type { FastifyError, FastifyRequest } from 'fastify'
import { escapePointer } from './pointer.ts'

/**
 * Collects the faults of a request that failed its schemas. Fastify stops at the first part that fails. The others are
 * validated afterwards, so that a client learns all faults from one response.
 */

export interface Fault {
  /** JSON pointer into the part of the request that it names first: `/body/orderItems/0/qty`. */
  path: string
  message: string
}

/** Faults reported for each part. A hostile body can have one in every byte. */
const MAX_FAULTS = 50
/** Characters of a reported path. The names in it come from the client. */
const MAX_PATH = 1_000

/** In the order in which Fastify validates them. */
const PARTS = ['params', 'body', 'querystring', 'headers'] as const

type Validation = NonNullable<FastifyError['validation']>
interface Validator {
  (value: unknown): unknown
  errors?: Validation | null
}

/** Returns the faults of all parts of the request: those in `error`, and those of the parts that Fastify did not reach. */
export function faultsOfRequest(
  error: Pick<FastifyError, 'validation' | 'validationContext'>,
  request: FastifyRequest
): Fault[] {
  const { validation = [], validationContext } = error
  return PARTS.flatMap(part => {
    if (part === validationContext) return faultsOf(validation, part)
    const validate = request.getValidationFunction(part) as Validator | undefined
    if (typeof validate !== 'function') return []
    const value = part === 'querystring' ? request.query : request[part]
    return validate(value ?? null) === false ? faultsOf(validate.errors ?? [], part) : []
  })
}

/** Returns ajv's faults of one part, such as `body`, with their paths. */
export function faultsOf(validation: Validation, part: string): Fault[] {
  return validation.slice(0, MAX_FAULTS).map(({ instancePath, keyword, params, message }) => {
    const member =
      keyword === 'required'
        ? params.missingProperty
        : keyword === 'additionalProperties'
          ? params.additionalProperty
          : undefined
    const path = `/${part}${instancePath}${member === undefined ? '' : `/${escapePointer(String(member))}`}`
    return {
      path: path.length > MAX_PATH ? `${path.slice(0, MAX_PATH)}…` : path,
      message: keyword === 'additionalProperties' ? 'is not known' : (message ?? 'is not valid')
    }
  })
}
