import Type from 'typebox'
import { withDefault } from './defaults.ts'
import { endpointsFaults, endpointsMembers } from './endpoints.ts'
import { tlsFaults } from './tls.ts'

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
    ...endpointsMembers,
    breaker: withDefault(BreakerOptions, {}),
    /** Bytes up to which an answer of known length is collected, not streamed. */
    collect: withDefault(Type.Integer({ minimum: 0 }), 65_536),
    /** Bytes up to which an answer may grow that the gateway has to read: transformed or composed. */
    maxBody: withDefault(Type.Integer({ minimum: 1 }), 8_388_608)
  },
  { additionalProperties: false }
)
export type UpstreamOptions = Type.Static<typeof UpstreamOptions>

/** What a schema cannot say of an upstream, with paths within it. */
export function upstreamFaults(upstream: Record<string, unknown>): { path: string; message: string }[] {
  const { tls } = upstream
  return [
    ...endpointsFaults(upstream),
    ...(typeof tls === 'object' && tls !== null
      ? tlsFaults({ ...tls }).map(({ path, message }) => ({ path: `/tls${path}`, message }))
      : [])
  ]
}
