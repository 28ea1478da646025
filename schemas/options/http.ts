import Type from 'typebox'
import { withDefault } from './defaults.ts'

/** Limits on connections and requests before routing. Names are Node's own. */

/** ms for a request to arrive completely. */
const requestTimeout = withDefault(Type.Integer({ minimum: 100 }), 60_000)
/** Bytes of a request line with its headers. */
const maxHeaderSize = withDefault(Type.Integer({ minimum: 1_024, maximum: 1_048_576 }), 16_384)

export const StrictHttpOptions = Type.Object(
  {
    /** Header lines. */
    maxHeadersCount: withDefault(Type.Integer({ minimum: 1 }), 128)
  },
  { additionalProperties: false }
)

export const Http2PluginOptions = Type.Object(
  { requestTimeout, maxHeaderSize },
  { additionalProperties: false }
)

const connectionLimits = {
  /** Requests on one connection; the last response carries `Connection: close`. 0: no limit. */
  maxRequestsPerSocket: withDefault(Type.Integer({ minimum: 0 }), 10_000),
  /** Requests that may wait on one connection for an earlier response; one more closes it. */
  maxPipelinedRequests: withDefault(Type.Integer({ minimum: 0 }), 32),
  /** Open connections. */
  maxConnections: withDefault(Type.Integer({ minimum: 1 }), 10_000),
  /** Open connections from one address (IPv6: from one /64). Proxies in `trustProxy` are exempt. */
  maxConnectionsPerAddress: withDefault(Type.Integer({ minimum: 1 }), 1_000)
}

export const ConnectionLimitsOptions = Type.Object(
  {
    ...connectionLimits,
    /** Addresses and ranges without a limit of their own. */
    trustProxy: withDefault(Type.Array(Type.String()), [])
  },
  { additionalProperties: false }
)

export const HttpOptions = Type.Object(
  {
    /** ms from a connection, or from the first byte of a later request, to the end of the headers. */
    headersTimeout: withDefault(Type.Integer({ minimum: 100 }), 10_000),
    requestTimeout,
    /** ms that a connection may be idle between two requests. */
    keepAliveTimeout: withDefault(Type.Integer({ minimum: 1 }), 72_000),
    maxHeaderSize,
    ...StrictHttpOptions.properties,
    ...connectionLimits
  },
  { additionalProperties: false }
)
export type HttpOptions = Type.Static<typeof HttpOptions>
