import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions
} from 'node:http2'
import type { Ending } from './harness.ts'

/** For tests of TLS and HTTP/2: a certificate for `localhost`, and an HTTP/2 client. */

export const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8')
export const ca = fixture('ca.pem')
export const tls = { cert: fixture('localhost.pem'), key: fixture('localhost.key') }

export async function startSession(
  t: Ending,
  url: string,
  options: SecureClientSessionOptions = {}
): Promise<ClientHttp2Session> {
  const session = connect(url.replace('127.0.0.1', 'localhost'), { ca, ...options })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  await once(session, 'connect')
  return session
}

export interface Http2Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** Code of RST_STREAM; 0 if the stream completed. */
  code: number
}

export async function exchange(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer
): Promise<Http2Answer> {
  const stream = session.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return read(stream)
}

export async function read(stream: ClientHttp2Stream): Promise<Http2Answer> {
  let headers: IncomingHttpHeaders = {}
  const chunks: Uint8Array[] = []
  stream.on('response', head => {
    headers = head
  })
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('error', () => {})
  if (!stream.destroyed) await new Promise(resolve => stream.on('close', resolve))
  return {
    status: Number(headers[':status']),
    headers,
    body: Buffer.concat(chunks),
    code: stream.rstCode ?? 0
  }
}
