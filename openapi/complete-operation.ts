import { STATUS_CODES } from '../http/node-internals.ts'
import type { CollectedRoute } from './collected-route.ts'
import type { DocumentContext } from './document-context.ts'
import type { JsonSchema, Method, Operation, Response } from './document-types.ts'
import { headersOf, problemComponents, problemResponses, successHeaders } from './problem-responses.ts'
import { acceptSentence, versionParameters } from './version-parameters.ts'

/** Adds to an operation what the gateway knows of its route beside the schemas. */
export function completeOperation(
  operation: Operation,
  route: CollectedRoute,
  { path, method }: { path: string; method: Method },
  context: DocumentContext,
  { errors, isTaken }: { errors: string; isTaken: boolean }
): void {
  const { config, schema } = route
  // @fastify/swagger makes up a response for routes without one.
  const isUndeclared = schema?.response === undefined && !isTaken
  const { scope, version, versioning, issuer, limits = [] } = config
  operation.summary ??= `${method.toUpperCase()} ${path}`
  if (operation.operationId === undefined) operation.operationId = toOperationId(method, path)
  else if (versioning?.hasVersionedPath && !versioning.isInPath) operation.operationId += 'Chosen'
  if (scope !== undefined) operation.tags ??= [scope]
  // Explicit, since a document without security says nothing about tokens.
  operation.security ??= issuer === undefined ? [] : context.security.requirements(issuer)
  const described = limits.flatMap(({ by, tier }) => {
    const limit = context.describeTier(tier)
    return limit === undefined ? [] : [{ by, ...limit }]
  })
  if (described.length > 0) operation['x-ratelimit'] = described

  if (version !== undefined && versioning !== undefined) {
    const { deprecated } = versioning
    if (deprecated !== undefined && Date.parse(deprecated) <= context.now) operation.deprecated = true
    const parameters = versionParameters(versioning, version)
    if (parameters.length > 0) operation.parameters = [...(operation.parameters ?? []), ...parameters]
    const sentence = acceptSentence(versioning, version)
    if (sentence) operation.description = [operation.description, sentence].filter(Boolean).join('\n\n')
    if (versioning.sunset !== undefined) operation['x-sunset'] = versioning.sunset
  }
  const { upstream = '' } = config.calls?.[0] ?? {}
  completeResponses(operation, route, isUndeclared, method, errors, context.fallbackOf(upstream))
}

function completeResponses(
  operation: Operation,
  route: CollectedRoute,
  isUndeclared: boolean,
  method: Method,
  errors: string,
  fallback: ReturnType<DocumentContext['fallbackOf']>
): void {
  const { calls = [] } = route.config
  const pattern = calls[0]?.pattern
  const responses: Operation['responses'] = {}
  if (pattern === 'websocket') responses[101] = { description: 'The connection is a WebSocket.' }
  else if (isUndeclared)
    responses.default = {
      description: pattern === 'forward' ? "The service's response." : "The route's response.",
      headers: headersOf(successHeaders(route))
    }
  else Object.assign(responses, operation.responses)

  for (const [status, response] of Object.entries(responses)) {
    if ('$ref' in response) continue
    if (response.description === 'Default Response') response.description = phraseOf(status)
    if (/^2/.test(status)) {
      response.headers = { ...headersOf(successHeaders(route)), ...response.headers }
      if (calls.some(({ part, required }) => part !== undefined && !required)) addMissing(response)
    }
  }
  if (pattern === 'forward') addFallback(responses, fallback)
  for (const [status, name] of problemResponses(route, method.toUpperCase())) {
    const own = responses[status]
    // The service of a route without declared responses may send the same status.
    if (own === undefined && isUndeclared && pattern !== 'websocket')
      responses[status] = withAnyContent(name, errors)
    else if (own === undefined) responses[status] = { $ref: `#/components/responses/${name}` }
    else if (!('$ref' in own)) addProblem(own, errors)
  }
  operation.responses = responses
  if (pattern === 'forward' && operation.requestBody === undefined && /^(post|put|patch)$/.test(method))
    operation.requestBody = { required: false, content: { '*/*': {} } }
}

/** Adds the response that clients get while the breaker of the upstream is open. */
function addFallback(
  responses: Operation['responses'],
  fallback: ReturnType<DocumentContext['fallbackOf']>
): void {
  if (fallback === undefined) return
  const { status, body } = fallback
  const own = (responses[status] ?? { description: phraseOf(`${status}`) }) as Response
  const schema = own.content?.['application/json']?.schema
  const constant = { const: body, description: 'Sent while the service is unavailable.' }
  responses[status] = {
    ...own,
    headers: { ...own.headers, ...headersOf(['Sluice-Fallback']) },
    content: {
      ...own.content,
      'application/json': { schema: schema ? { anyOf: [schema, constant] } : constant }
    }
  }
}

/** Returns the gateway's error as one of the contents that a response may have. */
function withAnyContent(name: string, mediaType: string): Response {
  const { description, headers, content } = problemComponents(mediaType)[name] as Response
  return { description, ...(headers && { headers }), content: { ...content, '*/*': {} } }
}

/** Adds the gateway's errors to a response that the route or its service declares too. */
function addProblem(response: Response, mediaType: string): void {
  const problem = { $ref: '#/components/schemas/Problem' }
  const own = response.content?.[mediaType]
  const schema = own?.schema === undefined ? problem : { anyOf: [own.schema, problem] }
  response.content = { ...response.content, [mediaType]: { ...own, schema } }
}

/** Adds the member with which a composition names its missing parts. */
function addMissing({ content = {} }: Response): void {
  for (const media of Object.values(content)) {
    const schema = media.schema as (JsonSchema & { properties?: object }) | undefined
    if (schema?.type !== 'object') continue
    const missing = { type: 'array', items: { type: 'string' }, description: 'Parts that are missing.' }
    media.schema = { ...schema, properties: { ...schema.properties, missing } }
  }
}

function phraseOf(status: string): string {
  return STATUS_CODES[Number(status)] ?? (status.startsWith('2') ? 'Success' : "The route's response.")
}

/** `get /api/v1/orders/{id}` is `getApiV1OrdersById`. */
function toOperationId(method: string, path: string): string {
  const words = path
    .split('/')
    .flatMap(segment => segment.replace(/\{(\w+)\}/g, ' by $1 ').split(/[^A-Za-z0-9]+/))
  return method + words.map(word => word.charAt(0).toUpperCase() + word.slice(1)).join('')
}
