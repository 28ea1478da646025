import { constants, type Http2ServerResponse, type OutgoingHttpHeaders } from 'node:http2'
import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Headers, UpstreamResponse } from './call-types.ts'
import { setGrpcStatus, toGrpcStatus } from './grpc-status.ts'

/** Milliseconds for a client to read the rest of a failed response and its status. */
const STATUS_TIMEOUT = 1_000

/** Metadata of the status, in headers or trailers. */
const STATUS_FIELDS = new Set(['grpc-status', 'grpc-message', 'grpc-status-details-bin'])

/**
 * Prepares a streamed gRPC response for an HTTP/2 client: passes on its trailers, and ends a response that fails after
 * its headers with a status in the trailers (gRPC over HTTP/2, Responses).
 */
export function toGrpcResponse(response: UpstreamResponse, reply: FastifyReply): UpstreamResponse {
  const raw = reply.raw as unknown as Http2ServerResponse
  const body = response.body as Readable
  const add = (trailers: Headers) => raw.addTrailers(trailers as OutgoingHttpHeaders)
  body.once('trailers', add)
  body.once('failure', (error: Error & { statusCode?: number }) => {
    const { exchange } = reply.request
    if (exchange.isClientGone || !raw.headersSent) return void body.destroy(error)
    const status = toGrpcStatus(error.statusCode ?? 502)
    setGrpcStatus(exchange, status)
    add({ 'grpc-status': String(status), 'grpc-message': encodeURIComponent(error.message) })
    body.push(null)
    // A client that does not read never gets the status.
    const timer = setTimeout(() => raw.stream.close(constants.NGHTTP2_CANCEL), STATUS_TIMEOUT)
    raw.stream.once('close', () => clearTimeout(timer))
  })
  // The first message may come late, or never.
  raw.once('pipe', () => reply.raw.flushHeaders())
  if (response.headers['grpc-status'] === undefined) return response
  // The service sent the status with its headers, but a body follows.
  const headers: Headers = {}
  const trailers: Headers = {}
  for (const name in response.headers)
    (STATUS_FIELDS.has(name) ? trailers : headers)[name] = response.headers[name]
  add(trailers)
  return { ...response, headers }
}

/**
 * Sends a trailers-only response, as most errors are: one header section that ends the stream. Only then do clients
 * read the headers as trailers. Node's `writeHead` sends the headers before it knows that nothing follows; this one
 * waits for `end()`, which calls it again.
 */
export function toTrailersOnly(response: UpstreamResponse, reply: FastifyReply): UpstreamResponse {
  const raw = reply.raw as unknown as Http2ServerResponse
  const { writeHead } = raw
  raw.writeHead = ((status: number, headers: Headers) => {
    raw.writeHead = writeHead
    raw.statusCode = status
    // A response without a body has no length.
    for (const name in headers)
      if (name !== 'content-length') raw.setHeader(name, headers[name] as string | string[])
    return raw
  }) as never
  return { ...response, body: undefined }
}
