import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance, type FastifySchema } from 'fastify'
import type { OpenApiOptions } from '../schemas/options/openapi.ts'
import { type CollectedRoute, toPaths } from './collected-route.ts'
import { completeOperation } from './complete-operation.ts'
import type { DocumentContext } from './document-context.ts'
import { METHODS, type Method, type OpenApiDocument } from './document-types.ts'
import { mergeShapes } from './path-shapes.ts'
import { FastifyError, HEADERS, Problem, problemComponents } from './problem-responses.ts'
import { dropUnusedComponents } from './references.ts'
import { type PlacedOperation, takeOver } from './take-over.ts'

/**
 * Returns the OpenAPI document of routes that share no path and method. @fastify/swagger converts their schemas; errors,
 * tokens, limits and versions are added.
 * @param version name of the version, for the title
 */
export async function buildDocument(
  routes: CollectedRoute[],
  context: DocumentContext,
  version?: string
): Promise<OpenApiDocument> {
  const converted = await convertSchemas(routes)
  const { options, hasProblems, security } = context
  const errors = hasProblems ? 'application/problem+json' : 'application/json'
  const { schemas, ...others } = converted.components
  const { title } = options.info
  const document: OpenApiDocument = {
    openapi: converted.openapi,
    info: { ...options.info, title: version ? `${title} ${version}` : title },
    servers: options.servers.length > 0 ? options.servers : [{ url: '/' }],
    tags: tagsOf(routes, options),
    paths: converted.paths,
    components: {
      ...others,
      schemas: { ...schemas, Problem: hasProblems ? Problem : FastifyError },
      responses: problemComponents(errors),
      headers: HEADERS,
      securitySchemes: security.schemes
    }
  }

  const own = operationsOf(document, routes)
  const taken = takeOver(document, routes, context.serviceDocument)
  for (const { operation, route, path, method } of own)
    completeOperation(operation, route, { path, method }, context, { errors, isTaken: false })
  for (const { operation, route, path, method } of taken)
    completeOperation(operation, route, { path, method }, context, { errors, isTaken: true })
  mergeShapes(document)
  return dropUnusedComponents(document)
}

function operationsOf(document: OpenApiDocument, routes: CollectedRoute[]): PlacedOperation[] {
  return routes.flatMap(route =>
    toPaths(route.url).flatMap(path =>
      methodsOf(route).flatMap(method => {
        const operation = document.paths[path]?.[method]
        return operation ? [{ operation, route, path, method }] : []
      })
    )
  )
}

/** Lets @fastify/swagger read the schemas of the routes from an app that is never started. */
async function convertSchemas(routes: CollectedRoute[]): Promise<OpenApiDocument> {
  const app = Fastify({ exposeHeadRoutes: false })
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => () => '')
  await app.register(swagger, {
    openapi: { openapi: '3.1.0' },
    convertConstToEnum: false,
    transform: ({ schema, route }) => ({
      schema: schema ?? {},
      url: (route.config as { documentPath: string }).documentPath
    }),
    refResolver: {
      buildLocalReference: (json, _baseUri, _fragment, i) => nameOf(json.$id) ?? `schema-${i}`
    }
  })
  addSharedSchemas(app, routes)
  for (const [index, route] of routes.entries())
    for (const path of toPaths(route.url))
      app.route({
        method: methodsOf(route).map(name => name.toUpperCase()),
        // The path of the document is set by `transform`; the app's own must only be unique.
        url: `/${index}${path.replace(/[{}:*]/g, '-')}`,
        schema: withPathNames(route.schema),
        config: { documentPath: path } as object,
        handler: () => {}
      })
  await app.ready()
  // A copy in which nothing is shared: methods of a route have one operation, and schemas are those of the gateway.
  const document: OpenApiDocument = JSON.parse(JSON.stringify(app.swagger()))
  await app.close()
  return document
}

function addSharedSchemas(app: FastifyInstance, routes: CollectedRoute[]): void {
  const shared = new Map<string, unknown>()
  for (const { scope } of routes)
    for (const [id, schema] of Object.entries(scope.getSchemas())) if (!shared.has(id)) shared.set(id, schema)
  for (const schema of shared.values()) app.addSchema(schema)
}

/** Renames the wildcard parameter, whose name `*` a path of a document cannot have. */
function withPathNames(schema: FastifySchema | undefined): FastifySchema {
  const params = schema?.params as { properties?: Record<string, unknown>; required?: string[] } | undefined
  if (params?.properties?.['*'] === undefined) return schema ?? {}
  const rename = (name: string) => (name === '*' ? 'wildcard' : name)
  const properties = Object.entries(params.properties).map(([name, value]) => [rename(name), value])
  return {
    ...schema,
    params: {
      ...params,
      properties: Object.fromEntries(properties),
      ...(params.required && { required: params.required.map(rename) })
    }
  }
}

function methodsOf({ methods }: CollectedRoute): Method[] {
  return methods.map(name => name.toLowerCase() as Method).filter(name => METHODS.includes(name))
}

function nameOf(id: unknown): string | undefined {
  return typeof id === 'string' ? id.replace(/[^\w.-]+/g, '-') : undefined
}

function tagsOf(routes: CollectedRoute[], { tags }: OpenApiOptions): NonNullable<OpenApiDocument['tags']> {
  const names = new Set(routes.flatMap(({ config: { scope } }) => (scope === undefined ? [] : [scope])))
  return [...names].map(name => ({ name, description: tags[name] ?? `Routes of the scope \`${name}\`.` }))
}
