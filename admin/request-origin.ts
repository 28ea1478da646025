import type { FastifyRequest } from 'fastify'

/**
 * True for a request of a page of another origin. Browsers name it in `Sec-Fetch-Site` (Fetch Metadata, 2.4; over TLS and on
 * loopback) and, unless the method is GET or HEAD, in `Origin`. A link from another site may be followed.
 */
export function isCrossSite(request: FastifyRequest): boolean {
  const { origin, 'sec-fetch-site': site, 'sec-fetch-mode': mode } = request.headers
  const isSafe = request.method === 'GET' || request.method === 'HEAD'
  if (site === 'cross-site' || site === 'same-site') return !(isSafe && mode === 'navigate')
  return origin !== undefined && !isOriginOf(origin, request)
}

/** True for a request that the browser ascribes to a page of this origin. */
export function isSameOrigin(request: FastifyRequest): boolean {
  const { origin, 'sec-fetch-site': site } = request.headers
  return site === 'same-origin' || (origin !== undefined && isOriginOf(origin, request))
}

/** Compares without the scheme: a proxy may end TLS. */
function isOriginOf(origin: string, { host }: FastifyRequest): boolean {
  return URL.canParse(origin) && new URL(origin).host === host
}
