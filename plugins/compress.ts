import { pipeline, Readable } from 'node:stream'
import {
  type BrotliOptions,
  brotliCompress,
  brotliCompressSync,
  constants,
  createBrotliCompress,
  createGzip,
  gzip,
  gzipSync
} from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { chooseEncoding } from '../http/accept-encoding.ts'
import { addVary } from '../http/vary.ts'
import type { RecordableResponse } from '../observe/recorder/response.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import { CompressOptions } from '../schemas/options/compress.ts'
import type { Input } from '../schemas/options/defaults.ts'

/**
 * Compresses the JSON responses of a scope: transformed and composed ones, and forwarded ones whose length is known and
 * within the upstream's `bufferLimit`. Only the headers decide, so that GET, HEAD and 304 agree.
 *
 * A response that contains both a secret and text that an attacker chose reveals the secret by its length (BREACH). Keep
 * such routes in a scope without compression, or give them `compress: false`.
 *
 * ```ts
 * await scope.register(compress, { threshold: 1_024 })
 * ```
 */
async function compress(fastify: FastifyInstance, options: Input<typeof CompressOptions> | undefined) {
  const { threshold, encodings } = completeOptions(CompressOptions, options ?? {}, 'compress')
  fastify.addHook('onRoute', route => {
    route.config = { ...route.config, compresses: route.compress !== false }
  })

  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (request.routeOptions.config.compresses !== true) return done()
    if (reply.statusCode === 304) {
      keepClientsTag(request, reply)
      return done()
    }
    const size = sizeOf(request, reply, payload)
    if (size === undefined || !JSON_TYPE.test(String(reply.getHeader('content-type')))) return done()
    if (isEncoded(reply)) return done()
    addVary(reply, 'accept-encoding')
    if (isFixed(reply)) return done()
    const chosen = chooseEncoding(request.headers['accept-encoding'], encodings)
    if (chosen === undefined || (size < threshold && !chosen.isRequired)) return done()

    forgetBytes(reply)
    // HEAD: the compressed length is not known, so it is left out (RFC 9110, 9.3.2).
    if (payload === undefined || payload === null) return done()
    reply.header('content-encoding', chosen.encoding)
    const codec = CODECS[chosen.encoding]
    if (typeof payload === 'string' || Buffer.isBuffer(payload)) {
      // The recorder shows the body before compression.
      const response = reply.raw as Partial<RecordableResponse>
      if ('sentBody' in response) response.sentBody = payload
      codec.whole(payload, (error, encoded) => {
        if (error !== null) return done(error)
        reply.header('content-length', encoded.length)
        done(null, encoded)
      })
      // An aborted service response destroys the encoder, and with it our response.
    } else done(null, pipeline(payload as Readable, codec.stream(), ignore))
  })
}

const JSON_TYPE = /^application\/([\w.-]+\+)?json\b/i
/** Headers that describe the bytes before compression: RFC 9530, 2 and 3; RFC 9110, 14.3. */
const OF_BYTES = ['content-length', 'content-md5', 'content-digest', 'repr-digest', 'digest', 'accept-ranges']

/**
 * Returns the size in bytes. Undefined for responses that are never compressed: no body, or a stream of unknown or
 * large size.
 */
function sizeOf(request: FastifyRequest, reply: FastifyReply, payload: unknown): number | undefined {
  if (typeof payload === 'string' || Buffer.isBuffer(payload)) return Buffer.byteLength(payload)
  if (!(payload instanceof Readable) && request.method !== 'HEAD') return undefined
  const length = reply.getHeader('content-length')
  const [call] = request.routeOptions.config.calls ?? []
  if (length === undefined || call === undefined) return undefined
  const limit = request.server.upstream(call.upstream as never).bufferLimit
  return Number(length) <= limit ? Number(length) : undefined
}

function isEncoded(reply: FastifyReply): boolean {
  const encoding = reply.getHeader('content-encoding')
  return encoding !== undefined && encoding !== 'identity'
}

/** True for a partial response, and for one that must not be transformed (RFC 9111, 5.2.2.6). */
function isFixed(reply: FastifyReply): boolean {
  return (
    reply.statusCode === 206 ||
    reply.hasHeader('content-range') ||
    /\bno-transform\b/i.test(String(reply.getHeader('cache-control')))
  )
}

function forgetBytes(reply: FastifyReply): void {
  // A strong ETag identifies the bytes before compression (RFC 9110, 8.8.1).
  const etag = reply.getHeader('etag')
  if (typeof etag === 'string' && etag.startsWith('"')) reply.header('etag', `W/${etag}`)
  for (const name of OF_BYTES) reply.removeHeader(name)
}

/** Gives a 304 the ETag of the response that the client has stored, weak or strong (RFC 9110, 15.4.5). */
function keepClientsTag(request: FastifyRequest, reply: FastifyReply): void {
  const type = reply.getHeader('content-type')
  if (type !== undefined && !JSON_TYPE.test(String(type))) return
  addVary(reply, 'accept-encoding')
  const etag = reply.getHeader('etag')
  const known = request.headers['if-none-match']
  if (typeof etag !== 'string' || !etag.startsWith('"') || known === undefined) return
  const strong = known.replaceAll(`W/${etag}`, '')
  if (strong !== known && !strong.includes(etag)) forgetBytes(reply)
}

/** Bytes up to which compressing synchronously costs less than the thread pool. */
const SYNC_SIZE = 32_768
/** Brotli's default of 11 is for files that are compressed once and sent often. */
const brotli: BrotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }

type Done = (error: Error | null, encoded: Buffer) => void

const CODECS = {
  br: {
    whole: (payload: string | Buffer, done: Done) =>
      payload.length > SYNC_SIZE
        ? brotliCompress(payload, brotli, done)
        : done(null, brotliCompressSync(payload, brotli)),
    stream: () => createBrotliCompress(brotli)
  },
  gzip: {
    whole: (payload: string | Buffer, done: Done) =>
      payload.length > SYNC_SIZE ? gzip(payload, done) : done(null, gzipSync(payload)),
    stream: () => createGzip()
  }
}

function ignore(): void {}

export default fp(compress, { name: 'sluice-compress', fastify: '5.x' })

declare module 'fastify' {
  interface RouteShorthandOptions {
    /** False: the route's responses are not compressed. */
    compress?: false
  }
  interface FastifyContextConfig {
    /** True for the routes of a scope with `compress`, unless the route turns it off. */
    compresses?: boolean
  }
}
