import findMyWay, { type HTTPMethod } from 'find-my-way'
import { type CollectedRoute, toPaths } from './collected-route.ts'
import {
  type Components,
  METHODS,
  type Method,
  type OpenApiDocument,
  type Operation,
  type Parameter,
  type PathItem,
  type Response
} from './document-types.ts'
import type { ServiceDocument } from './service-document.ts'

/** An operation at the path where clients reach it. */
export interface PlacedOperation {
  operation: Operation
  route: CollectedRoute
  path: string
  method: Method
}

/**
 * Replaces the general operations of forwarding routes by those that the documents of their services have for what these
 * routes forward. Adds the components that they refer to, named by upstream: `Order` is `orders.Order`.
 * @param documentOf returns the document of a route's service
 */
export function takeOver(
  document: OpenApiDocument,
  routes: CollectedRoute[],
  documentOf: (route: CollectedRoute) => ServiceDocument | undefined
): PlacedOperation[] {
  const routeAt = createRouter(routes)
  const namespaces = new Map<ServiceDocument, string>()
  const taken: PlacedOperation[] = []

  for (const route of routes) {
    const service = documentOf(route)
    const { forwarding } = route.config
    if (service === undefined || forwarding === undefined) continue
    const found: { path: string; method: Method; operation: Operation }[] = []
    for (const [inner, item] of Object.entries(service.paths)) {
      const path = toPublicPath(inner, service.basePath, forwarding)
      if (path === undefined) continue
      for (const method of methodsOf(route))
        if (item[method] !== undefined && routeAt(method, path) === route)
          found.push({ path, method, operation: withItemParameters(item, item[method] as Operation) })
    }
    if (found.length === 0) continue
    for (const path of toPaths(route.url)) removeOperations(document, path, methodsOf(route))
    const namespace = namespaceOf(service, forwarding.upstream, namespaces)
    for (const { path, method, operation } of found) {
      const own = ownOperation(operation, service, namespace, route.config.issuer !== undefined)
      document.paths[path] = { ...document.paths[path], [method]: own }
      taken.push({ operation: own, route, path, method })
    }
    addComponents(document.components, service, namespace)
  }
  return taken
}

/** Returns the public path of a service's path, or undefined if the route does not forward it. */
function toPublicPath(
  inner: string,
  basePath: string,
  { prefix, stripped, bases }: NonNullable<CollectedRoute['config']['forwarding']>
): string | undefined {
  const upstreamPath = new URL(bases()[0] ?? 'http://localhost').pathname.replace(/\/$/, '')
  const whole = basePath + inner
  // Servers of the document may be those of its clients, which have another path before the service's own.
  const path = [isBelow(whole, upstreamPath) ? whole.slice(upstreamPath.length) || '/' : whole, inner].find(
    candidate => isBelow(candidate, prefix)
  )
  if (path === undefined) return undefined
  const rest = path.slice(prefix.length)
  return stripped + (rest === '/' && stripped !== '' ? '' : rest) || '/'
}

function isBelow(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}

/** Returns which route the gateway takes for a path of a document. */
function createRouter(routes: CollectedRoute[]): (method: string, path: string) => unknown {
  const router = findMyWay({ ignoreTrailingSlash: true })
  for (const route of routes)
    for (const method of route.methods as HTTPMethod[])
      if (!router.hasRoute(method, route.url)) router.on(method, route.url, () => {}, route)
  return (method, path) => {
    const example = path.replace(/\{[^{}]*\}/g, '0')
    return router.find(method.toUpperCase() as HTTPMethod, example)?.store
  }
}

function methodsOf({ methods }: CollectedRoute): Method[] {
  return METHODS.filter(method => methods.includes(method.toUpperCase()))
}

function removeOperations(document: OpenApiDocument, path: string, methods: Method[]): void {
  const item = document.paths[path]
  if (item === undefined) return
  const kept = Object.entries(item).filter(([name]) => !methods.includes(name as Method))
  if (kept.length > 0) document.paths[path] = Object.fromEntries(kept) as PathItem
  else delete document.paths[path]
}

/** Parameters of an operation replace those of its path with the same name and place. */
function withItemParameters(item: Record<string, unknown>, operation: Operation): Operation {
  const shared = (item.parameters ?? []) as Parameter[]
  const own = (operation.parameters ?? []) as Parameter[]
  const others = shared.filter(one => !own.some(other => other.name === one.name && other.in === one.in))
  return { ...operation, parameters: [...others, ...own] }
}

/** Two documents of one upstream have different namespaces. */
function namespaceOf(
  service: ServiceDocument,
  upstream: string,
  namespaces: Map<ServiceDocument, string>
): string {
  const known = namespaces.get(service)
  if (known !== undefined) return known
  const taken = new Set(namespaces.values())
  let namespace = upstream
  for (let n = 2; taken.has(namespace); n++) namespace = `${upstream}${n}`
  namespaces.set(service, namespace)
  return namespace
}

/** Returns the operation as the gateway offers it: without the service's servers, and with the gateway's own tokens. */
function ownOperation(
  { servers, callbacks, tags, security, ...operation }: Operation,
  service: ServiceDocument,
  namespace: string,
  hasTokens: boolean
): Operation {
  const responses = Object.entries(operation.responses).flatMap(
    ([status, response]): [string, Response][] => {
      if (status.startsWith('x-')) return []
      const { links, ...own } = resolve(response, service) as Response & { links?: unknown }
      return [[status, { ...own, description: own.description ?? 'Default Response' }]]
    }
  )
  const required = (security ?? service.security) as Record<string, string[]>[]
  return {
    ...(rename({ ...operation, responses: Object.fromEntries(responses) }, namespace) as Operation),
    ...(!hasTokens && {
      security: required.map(one =>
        Object.fromEntries(Object.entries(one).map(([name, scopes]) => [`${namespace}.${name}`, scopes]))
      )
    })
  }
}

/** Returns the component that a response refers to, so that the gateway's errors can be added to it. */
function resolve(response: unknown, { components }: ServiceDocument, depth = 0): unknown {
  const [, name] =
    /^#\/components\/responses\/([\w.-]+)$/.exec(String((response as { $ref?: unknown }).$ref)) ?? []
  if (name === undefined || depth > 8) return response
  return resolve(components.responses?.[name], { components } as ServiceDocument, depth + 1)
}

function addComponents(components: Components, service: ServiceDocument, namespace: string): void {
  for (const [kind, named] of Object.entries(service.components)) {
    if (kind.startsWith('x-')) continue
    const renamed = Object.entries(named).map(([name, component]) => [
      `${namespace}.${name}`,
      rename(component, namespace)
    ])
    components[kind] = { ...components[kind], ...Object.fromEntries(renamed) }
  }
}

/** Returns a copy whose references lead to the components of a namespace. */
function rename(value: unknown, namespace: string): unknown {
  if (Array.isArray(value)) return value.map(item => rename(item, namespace))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      if (name === '$ref' && typeof member === 'string') return [name, renamed(member, namespace)]
      if (name === 'mapping' && typeof member === 'object' && member !== null)
        return [name, renameMapping(member as Record<string, unknown>, namespace)]
      return [name, rename(member, namespace)]
    })
  )
}

/** A discriminator's mapping has references, or names of schemas. */
function renameMapping(mapping: Record<string, unknown>, namespace: string): unknown {
  return Object.fromEntries(
    Object.entries(mapping).map(([value, target]) => {
      if (typeof target !== 'string') return [value, rename(target, namespace)]
      const reference = target.startsWith('#') ? target : `#/components/schemas/${target}`
      return [value, renamed(reference, namespace)]
    })
  )
}

function renamed(reference: string, namespace: string): string {
  return reference.replace(/^(#\/components\/[^/]+\/)/, `$1${namespace}.`)
}
