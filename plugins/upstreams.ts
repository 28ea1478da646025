import { isAscii } from 'node:buffer'
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import replyFrom from '@fastify/reply-from'
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { ClientGone, type Exchange } from '../http/exchange.ts'
import { asItIs } from '../http/problem.ts'
import type { Headers, UpstreamCallback, UpstreamResponse } from '../proxy/attempt.ts'
import { createAttemptDurations } from '../proxy/attempt-durations.ts'
import { toGrpcResponse, toTrailersOnly } from '../proxy/grpc-response.ts'
import { mirrorUpstream } from '../proxy/mirror.ts'
import { createSharing } from '../proxy/shared-breakers.ts'
import { splitUpstream } from '../proxy/split.ts'
import { acceptsTrailers } from '../proxy/trailers.ts'
import { createUpstream, type Upstream, type UpstreamRequest } from '../proxy/upstream.ts'
import { didYouMean } from '../schemas/options/did-you-mean.ts'
import type { UpstreamOptions } from '../schemas/options/upstreams.ts'

/**
 * The upstreams, by name: `fastify.upstream('orders')`. Also registers @fastify/reply-from, once, with the upstreams
 * themselves as its client: a logical origin (`http://orders/`) names the upstream, and what reply-from cannot carry
 * (the exchange, the path as the client wrote it) rides on the headers under `carried`. Errors are answered here too:
 * reply-from would wrap and log them once more.
 */
export const carried = Symbol('sluice.carried')

export interface Carried {
  exchange: Exchange
  path: string
  headers: Headers
}

interface ReplyFromRequest extends Omit<UpstreamRequest, 'exchange' | 'headers'> {
  origin: string
  headers: { [carried]: Carried }
}

export interface UpstreamsOptions {
  /** By name. */
  upstreams: Record<string, UpstreamOptions>
  /** Bytes of a response's headers, for upstreams without their own `maxHeaderSize`. */
  maxHeaderSize?: number
}

async function upstreams(fastify: FastifyInstance, { upstreams: options, maxHeaderSize }: UpstreamsOptions) {
  const byName = new Map<string, Upstream>()
  const byOrigin = new Map<string, Upstream>()
  const { log, supervisor, overrides } = fastify
  const create = overrides?.createUpstream ?? createUpstream
  const durationsOf = fastify.metrics && createAttemptDurations(fastify.metrics)
  const sharing = supervisor && createSharing(supervisor.channel)
  const createOne = (name: string, options: UpstreamOptions) =>
    create(
      name,
      { ...(maxHeaderSize !== undefined && { maxHeaderSize }), ...options },
      { log, durations: durationsOf?.(name), sharing }
    )
  for (const upstream of createUpstreams(options, createOne)) {
    byName.set(upstream.name, upstream)
    byOrigin.set(`http://${upstream.name}`, upstream)
  }

  fastify.decorate('upstreams', [...byName.values()])
  fastify.decorate('upstream', name => {
    const upstream = byName.get(name)
    if (upstream === undefined) {
      const names = [...byName.keys()]
      const suggestion = names.length > 1 ? didYouMean(name, names) : ''
      const known = names.length > 0 ? `there are: ${names.join(', ')}` : 'there are none'
      throw new Error(`no upstream is named '${name}'; ${known}${suggestion}`)
    }
    return upstream
  })

  const client = {
    request({ origin, method, body, headers }: ReplyFromRequest, callback: UpstreamCallback) {
      const { exchange, path, headers: own } = headers[carried]
      const { reply } = exchange
      const upstream = byOrigin.get(origin) as Upstream
      upstream.request({ exchange, method, path, headers: own, body }, (error, response) => {
        // reply-from destroys what it is handed once the client has gone, and a Buffer cannot be destroyed.
        if (error === null && !exchange.clientGone) {
          try {
            return callback(null, toSend(response as UpstreamResponse, reply))
          } catch (thrown) {
            // Within undici's parser, which would keep it to itself.
            return reply.send(thrown)
          }
        }
        // A connection whose request was not read to its end cannot carry another.
        if (reply.request.body !== undefined && !reply.request.raw.complete)
          reply.header('connection', 'close')
        reply.send(error ?? new ClientGone())
      })
    }
  }
  await fastify.register(replyFrom, { undici: client as never, disableRequestLogging: true })

  fastify.addHook('onClose', async () => {
    sharing?.close()
    await Promise.all(fastify.upstreams.map(upstream => upstream.close()))
  })
}

/** An answer that fails before its head has been sent is the gateway's, and has none of the service's headers. */
function forgetOnFailure(body: Readable, reply: FastifyReply): void {
  const own = reply.getHeaders()
  body.once('error', () => {
    if (reply.raw.headersSent) return
    for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name)
    reply.headers(own)
  })
}

export default fp(upstreams, { name: 'sluice-upstream', fastify: '5.x', dependencies: ['sluice-exchange'] })

/**
 * Each with what its config adds, from the inside out: the guards, a mirror, a split. Neither a copy nor a side is
 * copied or split again, so no config can send a call around in circles.
 */
function createUpstreams(
  options: Record<string, UpstreamOptions>,
  create: (name: string, options: UpstreamOptions) => Upstream
): Upstream[] {
  const names = Object.keys(options)
  const guarded = new Map(names.map(name => [name, create(name, options[name] as UpstreamOptions)]))
  const mirrored = new Map(
    [...guarded].map(([name, upstream]) => {
      const mirror = options[name]?.mirror
      return [name, mirror ? mirrorUpstream(upstream, mirror, guarded.get(mirror.to) as Upstream) : upstream]
    })
  )
  return [...mirrored].map(([name, upstream]) => {
    const split = options[name]?.split
    return split ? splitUpstream(upstream, split, side => mirrored.get(side) as Upstream) : upstream
  })
}

/** Characters: beyond, node no longer writes head and text from the stack. */
const MAX_TEXT = 4_096

/**
 * The answer in the form in which Fastify leaves its headers alone and node writes it best. A small ASCII body is a
 * string, with a serializer, or Fastify would name a charset: the octets are the same, and head and body leave as one
 * piece. A body of no type is a stream, or Fastify would name one.
 */
function toSend(response: UpstreamResponse, reply: FastifyReply): UpstreamResponse {
  const { body, headers } = response
  const isGrpc = 'stream' in reply.raw && String(headers['content-type']).startsWith('application/grpc')
  if (!Buffer.isBuffer(body)) {
    if (!(body instanceof Readable)) return response
    forgetOnFailure(body, reply)
    reply.raw.once('pipe', hasTrailers(reply) ? flushHead : flushLater)
    return isGrpc ? toGrpcResponse(response, reply) : response
  }
  if (body.length === 0)
    return isGrpc && headers['grpc-status'] !== undefined
      ? toTrailersOnly(response, reply)
      : { ...response, body: undefined }
  if (headers['content-type'] === undefined)
    return { ...response, body: Readable.from([body], { objectMode: false }) }
  if (body.length > MAX_TEXT || !isAscii(body) || !areAscii(headers)) return response
  reply.serializer(asItIs)
  return { ...response, body: body.toString('latin1') }
}

/** True if trailers may come that would be lost: Node ends an HTTP/2 stream with its headers where there is no body. */
function hasTrailers({ request }: FastifyReply): boolean {
  return request.raw.httpVersionMajor === 2 && acceptsTrailers(request.headers.te)
}

/** Sends the headers at once: the first message may come late, or never before the trailers. */
function flushHead(this: ServerResponse): void {
  this.flushHeaders()
}

/**
 * Sends the headers two turns of the event loop later, so that a body that has come with them leaves in one piece with them.
 * After one turn an invalid first chunk would get no 502: undici reports it once the connection has closed.
 */
function flushLater(this: ServerResponse): void {
  setImmediate(setImmediate, flushUnsent, this)
}

function flushUnsent(response: ServerResponse): void {
  if (!response.headersSent && !response.destroyed) response.flushHeaders()
}

/** Of text node makes one string with the head, and writes both as UTF-8: octets above 7F would become two. */
function areAscii(headers: Headers): boolean {
  for (const name in headers) {
    const value = headers[name]
    if (typeof value === 'string' ? ABOVE_ASCII.test(value) : value?.some(each => ABOVE_ASCII.test(each)))
      return false
  }
  return true
}

const ABOVE_ASCII = /[\x80-\xff]/

/** The names that `fastify.upstream` takes: those of the config, once it says so (see fastify.config.ts). */
// biome-ignore lint/suspicious/noEmptyInterface: configs add to it by declaration merging
export interface Register {}
export type UpstreamName = Register extends { upstreams: infer Names extends string } ? Names : string

declare module 'fastify' {
  interface FastifyInstance {
    upstreams: Upstream[]
    /** @throws if no upstream of that name is configured. */
    upstream(name: UpstreamName): Upstream
  }
}
