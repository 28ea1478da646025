import type { CollectedRoute } from './collected-route.ts'
import type { JsonSchema, Response } from './document-types.ts'

/** Schema of the gateway's errors (RFC 9457). */
export const Problem: JsonSchema = {
  type: 'object',
  description: 'Problem details (RFC 9457).',
  required: ['type', 'title', 'status', 'requestId'],
  properties: {
    type: { type: 'string', format: 'uri-reference', description: 'Kind of the problem.' },
    title: { type: 'string', description: 'The same for all problems of a type.' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string' },
    requestId: { type: 'string', description: 'Also in `X-Request-Id`.' },
    retryAfter: { type: 'integer', description: 'Seconds, also in `Retry-After`.' },
    errors: {
      type: 'array',
      description: 'Faults of the request.',
      items: {
        type: 'object',
        required: ['path', 'message'],
        properties: {
          path: { type: 'string', description: 'JSON pointer, such as `/body/items/0/price`.' },
          message: { type: 'string' }
        }
      }
    }
  }
}

/** Schema of Fastify's own errors, for apps without the plugin `problem`. */
export const FastifyError: JsonSchema = {
  type: 'object',
  description: 'An error.',
  required: ['statusCode', 'error', 'message'],
  properties: {
    statusCode: { type: 'integer', minimum: 400, maximum: 599 },
    code: { type: 'string' },
    error: { type: 'string' },
    message: { type: 'string' }
  }
}

const LIMIT_HEADERS = ['RateLimit-Policy', 'RateLimit']

/** Headers that responses refer to. */
export const HEADERS: Record<string, { description: string; schema: JsonSchema }> = {
  'X-Request-Id': { description: 'Id of the request, also in the log.', schema: { type: 'string' } },
  'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer', minimum: 0 } },
  'WWW-Authenticate': { description: 'RFC 6750.', schema: { type: 'string' } },
  'RateLimit-Policy': {
    description: 'The limits (draft-ietf-httpapi-ratelimit-headers).',
    schema: { type: 'string' }
  },
  RateLimit: {
    description: 'What is left of the limits (draft-ietf-httpapi-ratelimit-headers).',
    schema: { type: 'string' }
  },
  Deprecation: { description: 'When the version was deprecated (RFC 9745).', schema: { type: 'string' } },
  Sunset: { description: 'When the version ends (RFC 8594).', schema: { type: 'string' } },
  'Sluice-Missing': { description: 'Parts that are missing.', schema: { type: 'string' } },
  'Sluice-Fallback': { description: 'Parts that were replaced.', schema: { type: 'string' } }
}

interface Definition {
  /** Name in `components.responses`. */
  name: string
  description: string
  headers?: string[]
  /** True for routes that can answer it. */
  applies(route: CollectedRoute, has: Traits): boolean
}

/** Properties of a route on which its errors depend. */
interface Traits {
  body: boolean
  token: boolean
  limits: boolean
  calls: boolean
  /** The service's status of an error passes, but not its body. */
  mapped: boolean
}

const always = () => true

/** Errors of the gateway by status. */
const DEFINITIONS: Record<string, Definition> = {
  400: { name: 'BadRequest', description: 'The request is invalid; see `errors`.', applies: always },
  401: {
    name: 'Unauthorized',
    description: 'The token is missing, expired or invalid.',
    headers: ['WWW-Authenticate'],
    applies: (_, { token }) => token
  },
  403: {
    name: 'Forbidden',
    description: 'The caller may not do this.',
    applies: ({ config }, { token }) => token || config.isAddressFiltered === true || isWebSocket(config)
  },
  404: {
    name: 'NotFound',
    description: 'There is no such resource.',
    applies: ({ url }, { calls }) => calls || /[:*]/.test(url)
  },
  408: { name: 'RequestTimeout', description: 'The body took too long.', applies: (_, { body }) => body },
  410: {
    name: 'Gone',
    description: 'The version has ended, or is switched off for a while.',
    applies: ({ config }) => config.versioning?.ends === true
  },
  413: { name: 'BodyTooLarge', description: 'The body is too large.', applies: (_, { body }) => body },
  414: {
    name: 'UriTooLong',
    description: 'A parameter in the path is too long.',
    applies: ({ url }) => /[:*]/.test(url)
  },
  415: {
    name: 'UnsupportedMediaType',
    description: 'The body has another media type, charset or coding.',
    applies: (_, { body }) => body
  },
  426: {
    name: 'UpgradeRequired',
    description: 'The request is not a WebSocket handshake.',
    applies: ({ config }) => isWebSocket(config)
  },
  429: {
    name: 'TooManyRequests',
    description: 'A limit is reached.',
    headers: ['Retry-After', ...LIMIT_HEADERS],
    applies: ({ config }, { limits }) => limits || isWebSocket(config)
  },
  '4XX': {
    name: 'ServiceRejection',
    description: 'The service rejected the request with this status.',
    applies: (_, { mapped }) => mapped
  },
  500: { name: 'InternalError', description: 'The gateway failed.', applies: always },
  502: {
    name: 'BadGateway',
    description: 'The service failed, or its response is invalid.',
    applies: (_, { calls }) => calls
  },
  503: {
    name: 'Unavailable',
    description: 'The service or the gateway cannot take the request at the moment.',
    headers: ['Retry-After'],
    applies: always
  },
  504: { name: 'Timeout', description: 'The request took too long.', applies: always },
  '5XX': {
    name: 'ServiceFailure',
    description: 'The service failed with this status.',
    applies: (_, { mapped }) => mapped
  }
}

function isWebSocket({ calls }: CollectedRoute['config']): boolean {
  return calls?.[0]?.pattern === 'websocket'
}

/** Returns the names in `components.responses` of the gateway's errors of a route, by status. */
export function problemResponses(route: CollectedRoute, method: string): Map<string, string> {
  const { config } = route
  const pattern = config.calls?.[0]?.pattern
  const traits: Traits = {
    body: !BODYLESS.has(method),
    token: config.issuer !== undefined,
    limits: (config.limits?.length ?? 0) > 0,
    calls: pattern !== undefined,
    mapped: pattern === 'transform' || pattern === 'compose'
  }
  return new Map(
    Object.entries(DEFINITIONS).flatMap(([status, { name, applies }]) =>
      applies(route, traits) ? [[status, name] as const] : []
    )
  )
}

const BODYLESS = new Set(['GET', 'HEAD', 'TRACE', 'OPTIONS'])

/** Returns the components of all errors. @param mediaType of the errors, whose schema is the component `Problem` */
export function problemComponents(mediaType: string): Record<string, Response> {
  return Object.fromEntries(
    Object.values(DEFINITIONS).map(({ name, description, headers = [] }) => [
      name,
      {
        description,
        headers: headersOf(['X-Request-Id', ...headers]),
        content: { [mediaType]: { schema: { $ref: '#/components/schemas/Problem' } } }
      }
    ])
  )
}

/** Returns references to headers by name. */
export function headersOf(names: string[]): Record<string, unknown> {
  return Object.fromEntries(names.map(name => [name, { $ref: `#/components/headers/${name}` }]))
}

/** Returns the names of the headers that a successful response of a route may have. */
export function successHeaders({ config }: CollectedRoute): string[] {
  const { calls = [], limits = [], versioning } = config
  return [
    'X-Request-Id',
    ...(limits.length > 0 ? LIMIT_HEADERS : []),
    ...(versioning?.deprecated === undefined ? [] : ['Deprecation']),
    ...(versioning?.sunset === undefined ? [] : ['Sunset']),
    ...(calls[0]?.pattern === 'compose' ? ['Sluice-Missing', 'Sluice-Fallback'] : [])
  ]
}
