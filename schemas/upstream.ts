import Type from 'typebox'
import { withDefault } from './defaults.ts'
import { Url } from './url.ts'

export const BreakerOptions = Type.Object(
  {
    /** Failures in a row that open the breaker. */
    failures: withDefault(Type.Integer({ minimum: 1 }), 5),
    /** Opens on a share of failures too, once `volume` calls have been settled within `window` ms. */
    rate: Type.Optional(
      Type.Object(
        {
          share: Type.Number({ exclusiveMinimum: 0, maximum: 1 }),
          volume: Type.Integer({ minimum: 1 }),
          window: withDefault(Type.Integer({ minimum: 100 }), 10_000)
        },
        { additionalProperties: false }
      )
    ),
    /** Milliseconds from opening to the first trial. */
    resetTimeout: withDefault(Type.Integer({ minimum: 1 }), 30_000),
    /** Calls let through as trials; all of them must succeed for the breaker to close. */
    trials: withDefault(Type.Integer({ minimum: 1 }), 3)
  },
  { additionalProperties: false }
)
export type BreakerOptions = Type.Static<typeof BreakerOptions>

export const UpstreamOptions = Type.Object(
  {
    /** The base URL; its path, if any, is put before every request's. */
    url: Url('http:', 'https:'),
    breaker: withDefault(BreakerOptions, {}),
    /** Connections kept at most. Calls beyond them wait in line, under their deadline. */
    connections: withDefault(Type.Integer({ minimum: 1 }), 256),
    /** Milliseconds to get a connection. */
    connectTimeout: withDefault(Type.Integer({ minimum: 1 }), 2_000),
    /** Bytes up to which an answer of known length is collected, not streamed. */
    collect: withDefault(Type.Integer({ minimum: 0 }), 65_536),
    /** Bytes up to which an answer may grow that the gateway has to read: transformed or composed. */
    maxBody: withDefault(Type.Integer({ minimum: 1 }), 8_388_608),
    /** HTTP/2: over https if the service offers it (ALPN), over http without asking. */
    http2: withDefault(Type.Boolean(), false),
    tls: Type.Optional(
      Type.Object(
        {
          /** PEM of the authorities to trust instead of the system's. */
          ca: Type.String({ minLength: 1 })
        },
        { additionalProperties: false }
      )
    )
  },
  { additionalProperties: false }
)
export type UpstreamOptions = Type.Static<typeof UpstreamOptions>
