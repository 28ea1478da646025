import Type, { type Static } from 'typebox'
import { withDefault } from './defaults.ts'
import { RedactOptions } from './log.ts'

const options = {
  /** Whether spans name the consumer, which is personal data. */
  consumer: withDefault(Type.Boolean(), false),
  /** Whether spans have the client's address, which is personal data. */
  clientAddress: withDefault(Type.Boolean(), false),
  /** Whether spans have the host and port that the client called. */
  serverAddress: withDefault(Type.Boolean(), false),
  /** Whether the gateway's metrics are exported too. */
  metrics: withDefault(Type.Boolean(), false)
}

/** Options of the config's `otel`. */
export const OtelOptions = Type.Object(options, { additionalProperties: false })

/** Options of the plugin `otel`. */
export const OtelPluginOptions = Type.Object(
  {
    ...options,
    /** Share of the traces started here that are sampled, unless OTEL_TRACES_SAMPLER is set. */
    sample: withDefault(Type.Number({ minimum: 0, maximum: 1 }), 1),
    redact: withDefault(RedactOptions, {})
  },
  { additionalProperties: false }
)
export type OtelPluginOptions = Static<typeof OtelPluginOptions>
