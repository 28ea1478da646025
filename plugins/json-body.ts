import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { isUnicode, withoutByteOrderMark } from '../http/content.ts'
import { eachInexact, isTooDeep, quoteInexact } from '../http/json/exact.ts'
import { createProblem, type ProblemError } from '../http/problem.ts'
import { hasBody } from '../http/request-body.ts'
import { rejectOptions } from '../schemas/options/complete.ts'

const JSON_TYPE = /^(?:application\/json|[^/;]+\/[^/;]+\+json)(?:;|$)/
/** A parameter of a media type, its value a token or a quoted string (RFC 9110, 5.6.6). */
const PARAMETER = /;\s*([^=;\s]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/g
const MAX_FAULTS = 50

const UnsupportedCharset = createProblem('SLUICE_UNSUPPORTED_CHARSET', 'The body must be in UTF-8', 415)
const BodyCompressed = createProblem('SLUICE_BODY_COMPRESSED', 'The body must not be compressed', 415, {
  // RFC 9110, 15.5.16: says that the coding is not supported, rather than the type.
  headers: { 'accept-encoding': 'identity' }
})
const BodyNotUtf8 = createProblem('SLUICE_BODY_NOT_UTF8', 'The body is not UTF-8', 400)
const BodyTooDeep = createProblem('SLUICE_BODY_TOO_DEEP', 'The body is nested too deeply', 400)

/**
 * Parses JSON bodies strictly: `application/json` and every type that ends in `+json` (RFC 6839).
 *
 * ```ts
 * await app.register(jsonBody)
 * ```
 *
 * Errors: 415 for a charset other than UTF-8 (RFC 8259, 8.1) and for a content coding; 400 for content that is not JSON
 * in UTF-8, is nested more than 1,000 levels deep, or has a number that a double would change. A request without content
 * has no body, whatever its `Content-Type` is. A byte order mark is ignored. A scope may add its own parser for such a
 * type.
 */
async function jsonBody(fastify: FastifyInstance, options: object) {
  rejectOptions(options, 'jsonBody')
  // Has Fastify's errors and rejects `__proto__`.
  const parse = fastify.getDefaultJsonParser('error', 'error')
  // A RegExp, since a scope cannot add a parser for a name that is taken.
  fastify.removeContentTypeParser('application/json')
  fastify.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) return done(null, undefined)
    const encodingError = checkEncoding(request, body)
    if (encodingError !== undefined) return done(encodingError)
    const text = withoutByteOrderMark(body.toString('utf8'))
    if (isTooDeep(text)) return done(new BodyTooDeep())
    let value: unknown
    let failure: Error | null = null
    parse(request, text, (error, parsed) => {
      failure = error
      value = parsed
    })
    done(failure ?? inexactNumbers(text, value), value)
  })
  fastify.addHook('onRoute', route => {
    const hasBodies = [route.method].flat().some(method => method !== 'GET' && method !== 'HEAD')
    // Forwarded bodies are streamed, whatever their type.
    const isForwarded = route.config?.calls?.some(({ pattern }) => pattern === 'forward')
    if (!hasBodies || isForwarded) return
    route.preParsing = [ignoreTypeWithoutBody, ...[route.preParsing ?? []].flat()]
  })
}

export default fp(jsonBody, { name: 'sluice-json-body', fastify: '5.x' })

/** Some clients send a content type with every request. Fastify would reject an unknown one even without a body. */
function ignoreTypeWithoutBody(
  { raw }: FastifyRequest,
  _reply: FastifyReply,
  payload: unknown,
  done: (error: null, payload: never) => void
): void {
  if (raw.headers['content-type'] !== undefined && isEmpty(raw)) delete raw.headers['content-type']
  done(null, payload as never)
}

/** Returns true if no body follows the headers; over HTTP/2 they then have END_STREAM (RFC 9113, 8.1). */
function isEmpty(raw: FastifyRequest['raw']): boolean {
  const { stream } = raw as { stream?: { endAfterHeaders: boolean } }
  if (stream !== undefined) return stream.endAfterHeaders
  return !hasBody(raw)
}

function checkEncoding({ headers }: FastifyRequest, body: Buffer): ProblemError | undefined {
  const coding = headers['content-encoding']?.trim().toLowerCase()
  if (coding !== undefined && coding !== '' && coding !== 'identity') return new BodyCompressed()
  for (const [, name, quoted, token] of (headers['content-type'] as string).matchAll(PARAMETER)) {
    const charset = quoted ?? token ?? ''
    if (name?.toLowerCase() === 'charset' && charset !== '' && !isUnicode(charset))
      return new UnsupportedCharset()
  }
  return isUtf8(body) ? undefined : new BodyNotUtf8()
}

/** Returns a validation error for numbers that a double would change, or null. */
function inexactNumbers(text: string, value: unknown): Error | null {
  const quoted = quoteInexact(text)
  if (quoted === text) return null
  const validation: object[] = []
  eachInexact(value, JSON.parse(quoted), instancePath => {
    const message = 'must be a number that a double can hold exactly'
    return validation.push({ instancePath, keyword: 'exact', params: {}, message }) < MAX_FAULTS
  })
  if (validation.length === 0) return null
  return Object.assign(new Error('Validation failed'), {
    statusCode: 400,
    code: 'FST_ERR_VALIDATION',
    validation,
    validationContext: 'body'
  })
}
