import Type from 'typebox'
import { withDefault } from './defaults.ts'
import { RedactOptions } from './log.ts'

const options = {
  /** Exchanges to keep; 0 turns the recorder and captures off. */
  size: withDefault(Type.Integer({ minimum: 0, maximum: 100_000 }), 1_000),
  /** Failed exchanges to keep in addition, so that many good ones do not displace them. */
  failed: withDefault(Type.Integer({ minimum: 1, maximum: 100_000 }), 200),
  /** Bytes to keep of each body. */
  body: withDefault(Type.Integer({ minimum: 0, maximum: 65_536 }), 4_096),
  /** True to keep also what was sent to services and what they responded. */
  upstream: withDefault(Type.Boolean(), false),
  /** Bytes of headers and bodies in each of the two rings. */
  memory: withDefault(Type.Integer({ minimum: 1_048_576 }), 16_777_216),
  /** Bytes of all captures together. */
  captures: withDefault(Type.Integer({ minimum: 1_048_576 }), 67_108_864)
}

/** Options of the config's `recorder`. */
export const RecorderOptions = Type.Object(options, { additionalProperties: false })

/** Options of the plugin `recorder`. */
export const RecorderPluginOptions = Type.Object(
  { ...options, redact: withDefault(RedactOptions, {}) },
  { additionalProperties: false }
)
