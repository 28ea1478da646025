import Type from 'typebox'
import { withDefault } from './defaults.ts'

/** What a connection and a request on it may cost before the request has been routed. The names are node's own. */
export const HttpOptions = Type.Object(
  {
    /** Milliseconds from a connection, or from the first octet of a later request, to the end of the head. */
    headersTimeout: withDefault(Type.Integer({ minimum: 100 }), 10_000),
    /** Milliseconds to the last octet of a request. */
    requestTimeout: withDefault(Type.Integer({ minimum: 100 }), 60_000),
    /** Milliseconds that a connection may be idle between two requests. */
    keepAliveTimeout: withDefault(Type.Integer({ minimum: 1 }), 72_000),
    /** Bytes of a request line with its headers. */
    maxHeaderSize: withDefault(Type.Integer({ minimum: 1_024, maximum: 1_048_576 }), 16_384),
    /** Header lines. */
    maxHeadersCount: withDefault(Type.Integer({ minimum: 1 }), 128),
    /** Requests on one connection; the last is told so by `Connection: close`. 0: any number. */
    maxRequestsPerSocket: withDefault(Type.Integer({ minimum: 0 }), 10_000),
    /** Requests that may wait on one connection for the response to another; with more it is closed. */
    maxPipelinedRequests: withDefault(Type.Integer({ minimum: 0 }), 32),
    /** Connections at a time. */
    maxConnections: withDefault(Type.Integer({ minimum: 1 }), 10_000),
    /** Connections at a time from one address. Proxies in `trustProxy` have as many as they like. */
    maxConnectionsPerAddress: withDefault(Type.Integer({ minimum: 1 }), 1_000)
  },
  { additionalProperties: false }
)
export type HttpOptions = Type.Static<typeof HttpOptions>
