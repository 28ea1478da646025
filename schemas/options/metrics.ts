import Type from 'typebox'

export const MetricsOptions = Type.Object(
  {
    /** Path of a route that serves the metrics. Default: no route. */
    path: Type.Optional(Type.String({ pattern: '^/' }))
  },
  { additionalProperties: false }
)
