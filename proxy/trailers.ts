import type { FastifyReply } from 'fastify'
import type { Headers } from './call-types.ts'

/**
 * Passes early hints (RFC 8297) and trailers (RFC 9110, 6.5) of a service to clients of HTTP/1.1 and HTTP/2. Neither
 * may contain headers that are for the header section only.
 */

/** The only headers of early hints that pass. */
export function passEarlyHints({ link }: Headers, { raw, request }: FastifyReply): void {
  if (link === undefined || raw.headersSent || request.raw.httpVersion === '1.0') return
  // Node 22 and 24 have no `writeInformation`.
  tolerate(() => (raw.writeInformation ? raw.writeInformation(103, { link }) : raw.writeEarlyHints({ link })))
}

/** RFC 9110, 6.5.1: framing, routing, control, authentication and content headers. */
const NO_TRAILER =
  /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-.*|host|cache-control|age|expires|date|location|retry-after|vary|warning|set-cookie2?|via|forwarded|www-authenticate|authorization|allow|.*_.*|x-request-id|access-control-.*|strict-transport-security)$/

/** For clients with `TE: trailers`. Over HTTP/1.1 Node drops them from responses without chunks. */
export function passTrailers(trailers: Headers, { raw, request }: FastifyReply): void {
  if (!acceptsTrailers(request.headers.te) || request.raw.httpVersion === '1.0') return
  const passing: Headers = {}
  for (const name in trailers) if (!NO_TRAILER.test(name)) passing[name] = trailers[name]
  tolerate(() => raw.addTrailers(passing as Record<string, string>))
}

/** Drops trailers that Node rejects, so that the response still completes. */
function tolerate(write: () => void): void {
  try {
    write()
  } catch {}
}

/** RFC 9110, 10.1.4. */
export function acceptsTrailers(te: string | string[] | undefined): boolean {
  return te !== undefined && /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(String(te))
}
