import Type from 'typebox'
import { withDefault } from './defaults.ts'

export const SecurityHeadersOptions = Type.Object(
  {
    /** Seconds of `Strict-Transport-Security`; 0: not sent. */
    hsts: withDefault(Type.Integer({ minimum: 0 }), 31_536_000),
    /** Content-Security-Policy. The default suits an API, whose responses are not pages. */
    policy: withDefault(Type.Record(Type.String(), Type.Array(Type.String())), {
      'default-src': ["'none'"],
      'frame-ancestors': ["'none'"]
    })
  },
  { additionalProperties: false }
)
export type SecurityHeadersOptions = Type.Static<typeof SecurityHeadersOptions>
