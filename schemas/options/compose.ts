import Type from 'typebox'
import { FunctionOption, RouteTexts, SchemaOption } from './routes.ts'

const PartOptions = Type.Object(
  {
    upstream: Type.String(),
    path: FunctionOption(),
    upstreamResponse: SchemaOption,
    required: Type.Optional(Type.Boolean()),
    /** Milliseconds. */
    timeout: Type.Optional(Type.Integer({ minimum: 1 })),
    fallback: Type.Optional(Type.Unknown()),
    cache: Type.Optional(
      Type.Object(
        {
          /** Milliseconds. */
          ttl: Type.Integer({ minimum: 1 }),
          max: Type.Optional(Type.Integer({ minimum: 1 })),
          maxBytes: Type.Optional(Type.Integer({ minimum: 1 })),
          shared: Type.Optional(Type.Boolean())
        },
        { additionalProperties: false }
      )
    ),
    passUnauthorized: Type.Optional(Type.Boolean())
  },
  { additionalProperties: false }
)

/** Options of a route of `app.compose`. It may have those of Fastify's routes too. */
export const ComposeOptions = Type.Object({
  url: Type.String(),
  schema: Type.Optional(RouteTexts),
  params: Type.Optional(SchemaOption),
  querystring: Type.Optional(SchemaOption),
  parts: Type.Record(Type.String(), PartOptions),
  response: SchemaOption,
  toClient: FunctionOption()
})
