import type { FastifyInstance } from 'fastify'
import { hasDotSegment, isSafeTarget, UnsafePath } from '../http/path.ts'
import { ConfigError } from '../schemas/options/faults.ts'

/**
 * Checks the prefixes of a route whose path is forwarded.
 * @param route method and URL, for the message
 * @throws ConfigError if `prefix` is not a path, or the scope's own prefix has parameters
 */
export function checkPrefixes(prefix: unknown, scope: FastifyInstance, route: string): void {
  if (/[:*(]/.test(scope.prefix))
    throw new ConfigError([
      {
        path: route,
        message: `cannot be forwarded: the scope's prefix ${scope.prefix} must not have parameters`
      }
    ])
  const message =
    typeof prefix !== 'string'
      ? "is missing: a path such as /orders, or '' for nothing"
      : /^(\/[\w.~!$&'()*+,;=:@%/-]*)?$/.test(prefix) && !hasDotSegment(prefix)
        ? undefined
        : "must begin with a slash and be a path, such as /orders, or '' for nothing"
  if (message !== undefined) throw new ConfigError([{ path: `${route} /prefix`, message }])
}

/**
 * Returns what follows `prefix` in the raw URL, with the query.
 * @throws UnsafePath if the URL does not begin with `prefix`: the router matched a decoded path, but what is sent is not
 * decoded
 */
export function remainderOf(url: string, prefix: string): string {
  if (!url.startsWith(prefix) || !isSafeTarget(url)) throw new UnsafePath()
  return url.slice(prefix.length)
}
