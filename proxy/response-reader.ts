import { scan } from 'secure-json-parse'
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { decodeContent, readText } from '../http/content.ts'
import { isTooDeep, MAX_DEPTH, quoteInexact } from '../http/json/exact.ts'
import { isSmall } from '../http/json/small.ts'
import type { Headers, UpstreamResponse } from './call-types.ts'

import { createInvalidResponse, createStatusError, createTooLarge } from './errors.ts'

/** Bytes of decoded content, as the default of the upstreams' `maxBody`. */
const MAX_BODY = 8_388_608

/**
 * Returns a function that reads a buffered response.
 * @param maxBody bytes of the decompressed content
 * @throws SLUICE_UPSTREAM_STATUS unless the status is 2xx, SLUICE_UPSTREAM_INVALID_RESPONSE if the content does not match
 * `schema`
 */
export function createResponseReader<Schema extends TSchema>(
  schema: Schema,
  maxBody = MAX_BODY
): (response: UpstreamResponse) => Static<Schema> {
  const validate = Compile(schema)
  return ({ statusCode, headers, body }) => {
    if (statusCode < 200 || statusCode > 299) throw createStatusError(statusCode, headers)
    const value = parseText(textOf((body as Buffer | undefined) ?? EMPTY, headers, maxBody))
    if (validate.Check(value)) return value as Static<Schema>
    // Errors() walks the whole value, however few it returns: 10 s for 8 MB.
    const [fault] = isSmall(value) ? validate.Errors(value) : []
    throw createInvalidResponse(
      fault === undefined
        ? 'the content does not match its schema'
        : `${fault.instancePath || '/'} ${fault.message}`
    )
  }
}

const EMPTY = Buffer.alloc(0)

function textOf(body: Buffer, headers: Headers, maxBody: number): string {
  try {
    return readText(decodeContent(body, headers['content-encoding'], maxBody), headers['content-type'])
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw createTooLarge(maxBody, cause)
    throw createInvalidResponse('the content cannot be decoded', cause)
  }
}

/**
 * Parses a response without losing a digit: a number that a double would change becomes the string of its digits. Members
 * named `__proto__` are dropped.
 * @throws SLUICE_UPSTREAM_INVALID_RESPONSE if it is not JSON in UTF-8
 */
export function parseJson(body: Buffer): unknown {
  return parseText(textOf(body, {}, MAX_BODY))
}

function parseText(text: string): unknown {
  try {
    if (isTooDeep(text)) throw new Error(`the content is nested more than ${MAX_DEPTH} levels deep`)
    let value = JSON.parse(text)
    // The walk needs valid JSON, so it comes after the first parse.
    const quoted = quoteInexact(text)
    if (quoted !== text) value = JSON.parse(quoted)
    // A name's letters may be escaped.
    if ((text.includes('__proto__') || text.includes('\\u00')) && typeof value === 'object' && value !== null)
      scan(value, { protoAction: 'remove', constructorAction: 'ignore' })
    return value
  } catch (cause) {
    // JSON.parse quotes the content.
    throw createInvalidResponse(
      cause instanceof SyntaxError ? 'the content is not JSON' : messageOf(cause),
      cause
    )
  }
}

function messageOf(error: unknown): string {
  return (error as Error).message
}
