import Type from 'typebox'
import { FunctionOption, RouteTexts, SchemaOption } from './routes.ts'

/** Options of a route of `app.transform`. It may have those of Fastify's routes too. */
export const TransformOptions = Type.Object({
  method: Type.Enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
  url: Type.String(),
  schema: Type.Optional(RouteTexts),
  upstream: Type.String(),
  body: Type.Optional(SchemaOption),
  params: Type.Optional(SchemaOption),
  querystring: Type.Optional(SchemaOption),
  headers: Type.Optional(SchemaOption),
  upstreamResponse: SchemaOption,
  response: SchemaOption,
  toUpstream: FunctionOption(),
  toClient: FunctionOption(),
  passUnauthorized: Type.Optional(Type.Boolean()),
  toError: Type.Optional(FunctionOption())
})
