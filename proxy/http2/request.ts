import { Readable } from 'node:stream'
import { type Dispatcher, errors } from 'undici'
import { createRequestHead, type Origin, type RequestHead } from './request-head.ts'

export interface Http2Request {
  head: RequestHead
  body: string | Buffer | Readable | null
  /** ms without a byte of the response body; 0: no limit. */
  bodyTimeout: number
  /** Closes the connection after the request. */
  reset: boolean
  handler: Dispatcher.DispatchHandler
}

/**
 * Converts a request of undici's Dispatcher interface.
 * @throws InvalidArgumentError, NotSupportedError of undici for a request that HTTP/2 cannot carry
 */
export function toHttp2Request(
  { method, path, headers, body, bodyTimeout, reset }: Dispatcher.DispatchOptions,
  origin: Origin,
  handler: Dispatcher.DispatchHandler
): Http2Request {
  const isStream = body instanceof Readable
  if (!isStream && typeof body !== 'string' && !Buffer.isBuffer(body) && body != null)
    throw new errors.InvalidArgumentError('body must be a string, a Buffer or a Readable')
  const length = isStream ? undefined : body == null ? 0 : Buffer.byteLength(body)
  return {
    head: createRequestHead({ method, path, headers: headers ?? null }, origin, length),
    body: length === 0 ? null : (body as string | Buffer | Readable),
    bodyTimeout: bodyTimeout ?? 0,
    reset: reset ?? false,
    handler
  }
}
