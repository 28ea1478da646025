import { isUtf8 } from 'node:buffer'
import createError from '@fastify/error'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { eachInexact, isTooDeep, quoteInexact } from '../http/json/exact.ts'
import type { ProblemError } from '../http/problem.ts'
import { hasBody } from '../http/request-body.ts'
import { isUnicode, withoutByteOrderMark } from '../proxy/content.ts'

/**
 * Reads request bodies that are JSON: `application/json` and every type that ends in `+json` (RFC 6839). A route or scope
 * that adds a parser of its own for one of these types has that instead.
 *
 * A request without content has no body, whatever its `Content-Type` says. A byte order mark is ignored. Errors: 415 for
 * a charset other than UTF-8 (RFC 8259, 8.1) and for a content coding; 400 for content that is not JSON in UTF-8, is
 * nested more than 1,000 levels deep, or has a number that a double would change.
 */
const JSON_TYPE = /^(?:application\/json|[^/;]+\/[^/;]+\+json)(?:;|$)/
/** A parameter of a media type, its value a token or a quoted string (RFC 9110, 5.6.6). */
const PARAMETER = /;\s*([^=;\s]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/g
const MAX_FAULTS = 50

const UnknownCharset = createError('SLUICE_UNKNOWN_CHARSET', 'The body must be in UTF-8', 415, Error, false)
const CodedBody = createError('SLUICE_CODED_BODY', 'The body must not be compressed', 415, Error, false)
const NotUtf8 = createError('SLUICE_BODY_NOT_UTF8', 'The body is not UTF-8', 400, Error, false)
const TooDeep = createError('SLUICE_BODY_TOO_DEEP', 'The body is nested too deeply', 400, Error, false)

async function jsonBody(fastify: FastifyInstance) {
  // Fastify's own, for its errors and its guard against `__proto__`.
  const parse = fastify.getDefaultJsonParser('error', 'error')
  // A RegExp, since a scope could not add its own parser for a name that is taken.
  fastify.removeContentTypeParser('application/json')
  fastify.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) return done(null, undefined)
    const fault = faultOf(request, body)
    if (fault !== undefined) return done(fault)
    const text = withoutByteOrderMark(body.toString('utf8'))
    if (isTooDeep(text)) return done(new TooDeep())
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
    // Forwarding takes every type, and passes it on.
    const isForwarded = route.config?.calls?.some(({ pattern }) => pattern === 'forward')
    if (!hasBodies || isForwarded) return
    route.preParsing = [ignoreTypeOfNothing, ...[route.preParsing ?? []].flat()]
  })
}

export default fp(jsonBody, { name: 'sluice-json-body', fastify: '5.x' })

/** Some clients send a content type with every request. Without content, Fastify would refuse an unknown one. */
function ignoreTypeOfNothing(
  { raw }: FastifyRequest,
  _reply: FastifyReply,
  payload: unknown,
  done: (error: null, payload: never) => void
): void {
  if (raw.headers['content-type'] !== undefined && isEmpty(raw)) delete raw.headers['content-type']
  done(null, payload as never)
}

/** True if the headers say that no body follows; over HTTP/2 by END_STREAM (RFC 9113, 8.1). */
function isEmpty(raw: FastifyRequest['raw']): boolean {
  const { stream } = raw as { stream?: { endAfterHeaders: boolean } }
  if (stream !== undefined) return stream.endAfterHeaders
  return !hasBody(raw)
}

function faultOf({ headers }: FastifyRequest, body: Buffer): ProblemError | undefined {
  const coding = headers['content-encoding']?.trim().toLowerCase()
  if (coding !== undefined && coding !== '' && coding !== 'identity')
    // RFC 9110, 15.5.16: Accept-Encoding tells that the coding is not supported, rather than the type.
    return Object.assign(new CodedBody(), { headers: { 'accept-encoding': 'identity' } })
  for (const [, name, quoted, token] of (headers['content-type'] as string).matchAll(PARAMETER)) {
    const charset = quoted ?? token ?? ''
    if (name?.toLowerCase() === 'charset' && charset !== '' && !isUnicode(charset))
      return new UnknownCharset()
  }
  return isUtf8(body) ? undefined : new NotUtf8()
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
