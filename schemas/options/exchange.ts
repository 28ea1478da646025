import Type from 'typebox'
import { withDefault } from './defaults.ts'

export const TraceOptions = Type.Object(
  {
    /** Share of the traces started here that are marked as sampled. */
    sample: withDefault(Type.Number({ minimum: 0, maximum: 1 }), 1)
  },
  { additionalProperties: false }
)

/** Milliseconds from the request headers to the last byte of the response. */
export const Deadline = withDefault(Type.Integer({ minimum: 1 }), 10_000)

export const ExchangeOptions = Type.Object(
  {
    deadline: Deadline,
    trace: withDefault(TraceOptions, {})
  },
  { additionalProperties: false }
)
