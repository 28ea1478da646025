import { scan } from 'secure-json-parse'
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { isTooDeep, MAX_DEPTH, quoteInexact } from '../http/json/exact.ts'
import { isSmall } from '../http/json/small.ts'
import { isSafeTarget, UnsafePath } from '../http/path.ts'
import type { Headers, UpstreamResponse } from './call-types.ts'
import { decodeContent, decodeText } from './content.ts'

import { createStatusError, UpstreamInvalidResponse } from './errors.ts'

/** Bytes of decoded content, as the default of the upstreams' `maxBody`. */
const MAX_BODY = 8_388_608

/**
 * Reads a collected response: its status as an error unless it is 2xx, its content as what `schema` says. `maxBody`:
 * bytes of the content once it is decompressed.
 * @throws UpstreamInvalidResponse if it is not that.
 */
export function answerReader<Answer extends TSchema>(
  schema: Answer,
  maxBody = MAX_BODY
): (response: UpstreamResponse) => Static<Answer> {
  const validate = Compile(schema)
  return ({ statusCode, headers, body }) => {
    if (statusCode < 200 || statusCode > 299) throw createStatusError(statusCode, headers)
    const value = parseText(textOf((body as Buffer | undefined) ?? EMPTY, headers, maxBody))
    if (validate.Check(value)) return value as Static<Answer>
    // Errors() walks through all of the value, however many it returns: 10 s for 8 MB.
    const fault = isSmall(value) ? JSON.stringify(validate.Errors(value)[0]) : 'it is not as its schema says'
    throw new UpstreamInvalidResponse({ cause: new Error(fault) })
  }
}

const EMPTY = Buffer.alloc(0)

function textOf(body: Buffer, headers: Headers, maxBody: number): string {
  try {
    return decodeText(decodeContent(body, headers, maxBody), headers['content-type'])
  } catch (cause) {
    throw new UpstreamInvalidResponse({ cause })
  }
}

/**
 * Parses a response so that no digit is lost: a number that a double would change is given as the string it was
 * written as. Members named `__proto__` are dropped. @throws UpstreamInvalidResponse if it is not JSON in UTF-8.
 */
export function parseJson(body: Buffer): unknown {
  return parseText(textOf(body, {}, MAX_BODY))
}

function parseText(text: string): unknown {
  try {
    if (isTooDeep(text)) throw new Error(`its content is nested more than ${MAX_DEPTH} levels deep`)
    let value = JSON.parse(text)
    // The walk needs valid JSON, so it comes after the first parse.
    const quoted = quoteInexact(text)
    if (quoted !== text) value = JSON.parse(quoted)
    // A name's letters may be escaped.
    if ((text.includes('__proto__') || text.includes('\\u00')) && typeof value === 'object' && value !== null)
      scan(value, { protoAction: 'remove', constructorAction: 'ignore' })
    return value
  } catch (cause) {
    throw new UpstreamInvalidResponse({ cause })
  }
}

/**
 * Returns a path with its values encoded as single segments or query values: path`/users/${id}/orders?limit=${10}`.
 * @throws UnsafePath if a segment is empty, or if a server could read it as a dot segment (see ../path.ts).
 */
export function path(literals: TemplateStringsArray, ...values: (string | number)[]): string {
  let result = literals[0] as string
  values.forEach((value, index) => {
    const encoded = encodeURIComponent(String(value).toWellFormed())
    if (encoded === '' && !result.includes('?')) throw new UnsafePath()
    result += encoded + literals[index + 1]
  })
  if (!isSafeTarget(result)) throw new UnsafePath()
  return result
}
