import Type from 'typebox'
import { withDefault } from './defaults.ts'

/** A member of a JSON body, `customer.card.number`, with `*` for any member or item: `items.*.note`. */
const JsonPath = Type.Refine(
  Type.String(),
  value => /^[^.\s]+(\.[^.\s]+)*$/.test(value),
  () => 'must be a path such as customer.card.number or items.*.note'
)

export const RedactOptions = Type.Object(
  {
    /**
     * Names of secrets in headers, query and path parameters, form fields and JSON at any depth, in addition to the
     * built-in ones.
     */
    names: withDefault(Type.Array(Type.String({ minLength: 1 })), []),
    paths: withDefault(Type.Array(JsonPath), [])
  },
  { additionalProperties: false }
)
export type RedactOptions = Type.Static<typeof RedactOptions>

const entryOptions = {
  /** Share of the exchanges that are logged. Failed and slow ones always are. */
  sample: withDefault(Type.Number({ minimum: 0, maximum: 1 }), 1),
  /** Milliseconds from which an exchange is slow. */
  slowThreshold: withDefault(Type.Number({ minimum: 0 }), 1_000),
  /** Whether entries have the client's address, which is personal data. */
  clientAddress: withDefault(Type.Boolean(), false),
  /** Whether entries have the redacted path and query. Paths may contain secrets that redaction does not recognize. */
  path: withDefault(Type.Boolean(), false)
}

/** Options of the config's `log`. */
export const LogOptions = Type.Object(
  {
    level: withDefault(Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']), 'info'),
    ...entryOptions
  },
  { additionalProperties: false }
)

/** Options of the plugin `accessLog`. */
export const AccessLogOptions = Type.Object(
  { ...entryOptions, redact: withDefault(RedactOptions, {}) },
  { additionalProperties: false }
)
