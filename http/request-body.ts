import type { IncomingMessage } from 'node:http'

/** Returns true if the headers announce a body (RFC 9112, 6.3). */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) > 0)
}

/** Returns true while announced bytes have not arrived although everything that has arrived was read. */
export function isBodyLate(raw: IncomingMessage): boolean {
  return hasBody(raw) && !raw.complete && raw.readableLength === 0
}
