import { type Dispatcher, errors } from 'undici'

/** Headers of a request in the form of node:http2. */
export type RequestHead = Record<string, string | string[]>

export interface Origin {
  scheme: string
  /** Sent as `:authority` if the request has no `host`. */
  authority: string
}

const TOKEN = /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/
const PATH = /^\/[\x21-\x7e]*$/
const INVALID_VALUE = /[^\t\x20-\x7e\x80-\xff]/
/** Forbidden by RFC 9113, 8.2.2; `host` becomes `:authority`. */
const CONNECTION_SPECIFIC = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade'
])
/** Methods that need `content-length: 0` without a body (RFC 9110, 8.6). */
const WITH_BODY = new Set(['PATCH', 'POST', 'PUT'])

/**
 * Returns the headers of a request.
 * @param length bytes of the body, undefined for a stream
 * @throws InvalidArgumentError, NotSupportedError of undici for a request that HTTP/2 cannot carry
 */
export function createRequestHead(
  { method, path, headers }: Pick<Dispatcher.DispatchOptions, 'method' | 'path' | 'headers'>,
  { scheme, authority }: Origin,
  length: number | undefined
): RequestHead {
  if (!TOKEN.test(method) || method === 'CONNECT') throw new errors.InvalidArgumentError('invalid method')
  if (!PATH.test(path)) throw new errors.InvalidArgumentError('invalid path')
  const fields = (headers ?? {}) as Record<string, string | string[] | undefined>
  const head: RequestHead = {
    ':method': method,
    ':scheme': scheme,
    ':authority': String(fields.host ?? authority),
    ':path': path
  }
  for (const given in fields) {
    const value = fields[given]
    if (value === undefined) continue
    const name = given.toLowerCase()
    if (!TOKEN.test(name)) throw new errors.InvalidArgumentError(`invalid header name ${name}`)
    if (name === 'expect') throw new errors.NotSupportedError('expect is not supported')
    if (CONNECTION_SPECIFIC.has(name) || (name === 'te' && value !== 'trailers')) continue
    head[name] = Array.isArray(value) ? value.map(each => checked(name, each)) : checked(name, value)
  }
  if (length !== undefined && (length > 0 || WITH_BODY.has(method))) head['content-length'] = String(length)
  return head
}

function checked(name: string, value: unknown): string {
  const text = String(value)
  if (INVALID_VALUE.test(text)) throw new errors.InvalidArgumentError(`invalid value of ${name}`)
  // RFC 9113, 8.2.1: a value must not begin or end with white space.
  return text.trim()
}
