import Type from 'typebox'
import { withDefault } from './defaults.ts'

/** Options of a WebSocket route, beside those of Fastify. */
export const WebSocketOptions = Type.Object(
  {
    /** Origins besides the gateway's own whose pages may connect; `['*']` for all. */
    allowOrigins: withDefault(Type.Array(Type.String()), []),
    /** Bytes of a message, over all its fragments. */
    maxMessage: withDefault(Type.Integer({ minimum: 1 }), 1_048_576),
    /** Milliseconds without a byte from either side. */
    idleTimeout: withDefault(Type.Integer({ minimum: 1 }), 120_000),
    /** Open connections on this route of this process. */
    maxConnections: withDefault(Type.Integer({ minimum: 0 }), 1_000),
    /** Open connections of one consumer, or of one address without a token. Default: half of `maxConnections`. */
    maxConnectionsPerConsumer: Type.Optional(Type.Integer({ minimum: 0 })),
    /** Closes a connection when the token of its handshake expires. */
    closeAtExpiry: withDefault(Type.Boolean(), true)
  },
  { additionalProperties: false }
)
export type WebSocketOptions = Type.Static<typeof WebSocketOptions>
