import type { ClientHttp2Stream } from 'node:http2'
import { Readable } from 'node:stream'
import { errors } from 'undici'

/** Sends a body with backpressure. */
export interface BodySender {
  /** Stops reading the body. */
  stop(error?: Error): void
}

/**
 * Starts to send `body`.
 * @param length announced bytes
 * @param onChunk called with each chunk
 * @param onEnd called when the connection has accepted all bytes
 * @param onError called if the body fails or has another length
 */
export function sendBody(
  body: Readable,
  stream: ClientHttp2Stream,
  length: number | undefined,
  onChunk: (chunk: Buffer) => void,
  onEnd: () => void,
  onError: (error: Error) => void
): BodySender {
  let sent = 0
  let isOver = false

  if (body.destroyed && !body.readableEnded) process.nextTick(fail, body.errored ?? new Incomplete())
  else if (body.readableEnded) process.nextTick(end)
  // Fastify pauses the client's request, and a listener alone does not resume it.
  else body.on('data', send).on('end', end).on('error', fail).on('close', close).resume()
  stream.on('drain', resume)
  return { stop }

  function send(chunk: Buffer): void {
    sent += chunk.length
    if (length !== undefined && sent > length) {
      fail(new errors.RequestContentLengthMismatchError())
      return
    }
    if (!stream.write(chunk)) body.pause()
    onChunk(chunk)
  }

  function resume(): void {
    if (!isOver) body.resume()
  }

  function end(): void {
    if (isOver) return
    if (length !== undefined && sent !== length) {
      fail(new errors.RequestContentLengthMismatchError())
      return
    }
    detach()
    stream.end(onEnd)
  }

  function close(): void {
    if (!isOver) fail(new Incomplete())
  }

  function fail(error: Error): void {
    if (!isOver) onError(error)
  }

  function detach(): void {
    isOver = true
    body.off('data', send).off('end', end).off('error', fail).off('close', close)
    stream.off('drain', resume)
  }

  function stop(error?: Error): void {
    if (isOver) return
    detach()
    release(body, error)
  }
}

/** Stops reading a body before its end. */
export function release(body: unknown, error?: Error): void {
  if (!(body instanceof Readable)) return
  body.pause()
  // Do not destroy the client's own request: that would close the connection that the response needs.
  if (!('httpVersion' in body)) body.destroy(error)
}

class Incomplete extends Error {
  constructor() {
    super('the body ended early')
  }
}
