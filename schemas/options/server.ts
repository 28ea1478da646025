import Type from 'typebox'
import { withDefault } from './defaults.ts'
import { HttpOptions } from './http.ts'
import { Http2Options, TlsOptions } from './listen.ts'
import { TrustedProxy } from './trusted-proxy.ts'

/** Options of `serverOptions()`. */
export const ServerOptions = Type.Object(
  {
    tls: Type.Optional(TlsOptions),
    /** HTTP/2 as well as HTTP/1.1; the client chooses by ALPN. Needs `tls`. */
    http2: withDefault(Type.Union([Type.Boolean(), Http2Options]), false),
    http: withDefault(HttpOptions, {}),
    /** Proxies in front, whose `X-Forwarded-*` headers are trusted. */
    trustProxy: withDefault(Type.Array(TrustedProxy), []),
    /** Bytes of a request body. */
    bodyLimit: withDefault(Type.Integer({ minimum: 0 }), 1_048_576),
    /** Uses the response class that the recorder needs. */
    recorder: withDefault(Type.Boolean(), true)
  },
  { additionalProperties: false }
)
