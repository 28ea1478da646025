import { isAscii } from 'node:buffer'
import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { resetCloseDelimited } from '../http/http1-response.ts'
import { identity } from '../http/problem.ts'
import type { Headers, UpstreamResponse } from './call-types.ts'
import { toGrpcResponse, toTrailersOnly } from './grpc-response.ts'
import { noteOwnHeaders } from './passed-headers.ts'
import { acceptsTrailers } from './trailers.ts'

/** Characters. Node writes longer text and its headers in two pieces. */
const MAX_TEXT = 4_096

/**
 * Returns a service's response in the form that Fastify sends without changing its headers, and that Node writes fastest.
 *
 * A small ASCII body becomes a string with a serializer, without which Fastify would add a charset: the bytes are the
 * same, and headers and body leave in one piece. A body without a content type becomes a stream, since Fastify would add
 * a type.
 */
export function toSendable(response: UpstreamResponse, reply: FastifyReply): UpstreamResponse {
  const { body, headers } = response
  const isGrpc = 'stream' in reply.raw && String(headers['content-type']).startsWith('application/grpc')
  if (!Buffer.isBuffer(body)) {
    if (!(body instanceof Readable)) return response
    noteOwnHeaders(reply)
    body.once('error', error => reply.raw.headersSent && abortResponse(reply.raw, error))
    reply.raw.once('pipe', hasTrailers(reply) ? flushHeaders : flushHeadersLater)
    return isGrpc ? toGrpcResponse(response, reply) : response
  }
  if (body.length === 0)
    return isGrpc && headers['grpc-status'] !== undefined
      ? toTrailersOnly(response, reply)
      : { ...response, body: undefined }
  if (headers['content-type'] === undefined)
    return { ...response, body: Readable.from([body], { objectMode: false }) }
  if (body.length > MAX_TEXT || !isAscii(body) || !areAscii(headers)) return response
  reply.serializer(identity)
  return { ...response, body: body.toString('latin1') }
}

/** Aborts a response so that its client can tell that it is incomplete, also where the server has Node's own response classes. */
function abortResponse(response: ServerResponse, error: Error): void {
  const { stream } = response as unknown as Partial<Http2ServerResponse>
  // Fastify destroys the response without an error: Node then resets the stream with NO_ERROR, as after a complete one.
  if (stream) stream.destroy(error)
  else resetCloseDelimited(response)
}

/** True if trailers may come that would be lost: Node ends an HTTP/2 stream with its headers where there is no body. */
function hasTrailers({ request }: FastifyReply): boolean {
  return request.raw.httpVersionMajor === 2 && acceptsTrailers(request.headers.te)
}

/** Sends the headers at once: the first message may come late, or never before the trailers. */
function flushHeaders(this: ServerResponse): void {
  this.flushHeaders()
}

/**
 * Sends the headers two turns of the event loop later, so that a body that has come with them leaves in one piece with them.
 * After one turn an invalid first chunk would get no 502: undici reports it once the connection has closed.
 */
function flushHeadersLater(this: ServerResponse): void {
  setImmediate(setImmediate, flushUnsent, this)
}

function flushUnsent(response: ServerResponse): void {
  if (!response.headersSent && !response.destroyed) response.flushHeaders()
}

/** Node makes text and headers one string and writes it as UTF-8, which makes two bytes of each above 7F. */
function areAscii(headers: Headers): boolean {
  for (const name in headers) {
    const value = headers[name]
    if (typeof value === 'string' ? ABOVE_ASCII.test(value) : value?.some(each => ABOVE_ASCII.test(each)))
      return false
  }
  return true
}

const ABOVE_ASCII = /[\x80-\xff]/
