import Type from 'typebox'
import { withDefault } from './defaults.ts'

export const LogOptions = Type.Object(
  {
    level: withDefault(Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']), 'info'),
    /** The share of exchanges that get a line. Failed and slow ones always do. */
    sample: withDefault(Type.Number({ minimum: 0, maximum: 1 }), 1),
    /** Milliseconds from which an exchange is slow. */
    slow: withDefault(Type.Number({ minimum: 0 }), 1_000)
  },
  { additionalProperties: false }
)
export type LogOptions = Type.Static<typeof LogOptions>

export const TraceOptions = Type.Object(
  {
    /** The share of the traces that begin here which are marked as sampled. */
    sample: withDefault(Type.Number({ minimum: 0, maximum: 1 }), 1)
  },
  { additionalProperties: false }
)

/** A member of a JSON body, `customer.card.number`, with `*` for any member or item: `items.*.note`. */
const JsonPath = Type.Refine(
  Type.String(),
  value => /^[^.\s]+(\.[^.\s]+)*$/.test(value),
  () => 'must be a path such as customer.card.number or items.*.note'
)

export const RedactOptions = Type.Object(
  {
    /** Of headers, query parameters, path parameters, form fields and members of JSON bodies, at any depth. Beside the usual. */
    names: withDefault(Type.Array(Type.String({ minLength: 1 })), []),
    paths: withDefault(Type.Array(JsonPath), [])
  },
  { additionalProperties: false }
)
export type RedactOptions = Type.Static<typeof RedactOptions>
