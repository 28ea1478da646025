import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { isSafeTarget } from '../path.ts'
import type { UpstreamResponse } from './call.ts'
import { UnsafePath, UpstreamNonsense, upstreamStatus } from './errors.ts'

/**
 * Reads a collected answer: its status as an error unless it is 2xx, its body as what `schema` says.
 * @throws UpstreamNonsense if it is not that.
 */
export function answerReader<Answer extends TSchema>(
  schema: Answer
): (response: UpstreamResponse) => Static<Answer> {
  const validate = Compile(schema)
  return ({ statusCode, headers, body }) => {
    if (statusCode < 200 || statusCode > 299) throw upstreamStatus(statusCode, headers)
    const value = parseJson((body as Buffer | undefined) ?? EMPTY)
    if (!validate.Check(value))
      throw new UpstreamNonsense({ cause: new Error(JSON.stringify(validate.Errors(value)[0])) })
    return value as Static<Answer>
  }
}

const EMPTY = Buffer.alloc(0)

/** Numbers that a double may not hold. In one pattern the two would take four times as long as apart. */
const LONG_NUMBER = /\d[\d.]{15}/
const EXPONENT = /\d[eE]/

/**
 * Parses an answer so that no digit is lost: a number that a double would change is given as the string it was
 * written as. @throws UpstreamNonsense if it is not JSON.
 */
export function parseJson(body: Buffer): unknown {
  const text = body.toString('utf8')
  try {
    return LONG_NUMBER.test(text) || EXPONENT.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text)
  } catch (cause) {
    throw new UpstreamNonsense({ cause })
  }
}

function keepDigits(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined) return value
  return isExact(value, context.source) ? value : context.source
}

/** True if the double prints the digits that were written, but for zeros that say nothing. */
function isExact(value: number, source: string): boolean {
  return String(value) === withoutZeros(source)
}

/** Not by a pattern: it would look at each zero once for every zero before it. */
function withoutZeros(source: string): string {
  if (!source.includes('.') || /[eE]/.test(source)) return source
  let end = source.length
  while (source[end - 1] === '0') end--
  return source.slice(0, source[end - 1] === '.' ? end - 1 : end)
}

/**
 * Returns a path with its values encoded as single segments or query values: path`/users/${id}/orders?limit=${10}`.
 * @throws UnsafePath if a segment is empty, or if some server would read a dot segment in it (see ../path.ts).
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
