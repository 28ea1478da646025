import type { RouteOptions } from 'fastify'
import type { ServedRoute } from '../../observe/served-routes.ts'
import { didYouMean } from '../../schemas/options/did-you-mean.ts'
import { type AuditInput, type Finding, routePath } from './finding.ts'

/**
 * Finds route options that look misspelled or misplaced. Other unknown options pass, since any Fastify plugin may add some.
 * The compiler finds them too, but a config may be JavaScript.
 */
export function auditRouteOptions({ dryRun, routes }: AuditInput): Finding[] {
  const findings = new Map<string, Finding>()
  for (const route of dryRun.routes) {
    const [call] = route.config?.calls ?? []
    if (call === undefined) continue
    const known = [...(OPTIONS[call.pattern] ?? []), ...FASTIFY_OPTIONS]
    for (const name of Object.keys(route)) {
      if (known.includes(name)) continue
      const suggestion = IN_CONFIG.includes(name)
        ? `; it belongs in config: { ${name} }`
        : didYouMean(name, known)
      if (suggestion === '') continue
      const path = `${pathOf(route, routes)} ${name}`
      findings.set(path, {
        code: 'route-option-unknown',
        severity: 'warning',
        path,
        why: `The option is unknown and has no effect${suggestion}`,
        fix: 'Correct its name or place, or remove it.'
      })
    }
  }
  return [...findings.values()]
}

function pathOf(route: RouteOptions, routes: ServedRoute[]): string {
  // Fastify serves the root of a prefix with and without a slash.
  const url = route.url.length > 1 ? route.url.replace(/\/$/, '') : route.url
  const served = routes.find(({ path, scope }) => path === url && scope === route.config?.scope)
  return served ? routePath(served) : `${route.method} ${route.url}`
}

/** Optional options of each pattern. The pattern itself reports missing required ones. */
const OPTIONS: Partial<Record<string, readonly string[]>> = {
  forward: ['edit', 'trailers'],
  transform: ['body', 'params', 'querystring', 'headers', 'passUnauthorized', 'toError'],
  compose: ['params', 'querystring'],
  websocket: [
    'allowOrigins',
    'maxMessage',
    'idleTimeout',
    'maxConnections',
    'maxConnectionsPerConsumer',
    'closeAtExpiry'
  ]
}

/** Options that belong into `config`. */
const IN_CONFIG = ['deadline', 'idleTimeout']

const FASTIFY_OPTIONS = [
  ...['method', 'url', 'path', 'routePath', 'prefix', 'prefixTrailingSlash', 'schema', 'handler', 'config'],
  ...['attachValidation', 'exposeHeadRoute', 'validatorCompiler', 'serializerCompiler', 'bodyLimit'],
  ...['handlerTimeout', 'logLevel', 'logSerializers', 'constraints', 'errorHandler', 'childLoggerFactory'],
  ...['schemaErrorFormatter', 'onRequest', 'preParsing', 'preValidation', 'preHandler', 'preSerialization'],
  ...['onSend', 'onResponse', 'onTimeout', 'onError', 'onRequestAbort']
]
