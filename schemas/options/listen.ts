import { createSecureContext } from 'node:tls'
import Type from 'typebox'
import { withDefault } from './defaults.ts'

/** A PEM, or the path of a file that holds one. */
const Pem = Type.String({ minLength: 1 })

export const TlsOptions = Type.Object(
  {
    /** The certificate and its intermediates. */
    cert: Pem,
    key: Pem,
    passphrase: Type.Optional(Type.String({ minLength: 1 })),
    minVersion: withDefault(Type.Enum(['TLSv1.2', 'TLSv1.3']), 'TLSv1.2'),
    /** ms between two checks of the files; 0: read at the start and by `reloadCertificates()` only. */
    reload: withDefault(Type.Integer({ minimum: 0 }), 10_000)
  },
  { additionalProperties: false }
)
export type TlsOptions = Type.Static<typeof TlsOptions>

export const Http2Options = Type.Object(
  {
    /** Concurrent streams of a connection. */
    streams: withDefault(Type.Integer({ minimum: 1, maximum: 10_000 }), 128),
    /** ms without a stream after which a connection is closed. */
    idleTimeout: withDefault(Type.Integer({ minimum: 1 }), 72_000)
  },
  { additionalProperties: false }
)
export type Http2Options = Type.Static<typeof Http2Options>

const Port = Type.Integer({ minimum: 0, maximum: 65_535 })

export const ListenOptions = Type.Object(
  {
    host: withDefault(Type.String({ minLength: 1 }), '127.0.0.1'),
    port: withDefault(Port, 8080),
    tls: Type.Optional(TlsOptions),
    /** HTTP/2 as well as HTTP/1.1; the client chooses by ALPN. Needs `tls`. */
    http2: withDefault(Type.Union([Type.Boolean(), Http2Options]), false)
  },
  { additionalProperties: false }
)
export type ListenOptions = Type.Static<typeof ListenOptions>

/** Returns faults that the schema cannot express. Does not read files, which may be written before the start. */
export function listenFaults(listen: unknown): { path: string; message: string }[] {
  const { tls, http2 } = (listen ?? {}) as { tls?: TlsOptions; http2?: unknown }
  if (tls === undefined)
    return http2 !== undefined && http2 !== false
      ? [{ path: '/listen/http2', message: 'needs tls: browsers and clients choose HTTP/2 by ALPN' }]
      : []
  if (typeof tls !== 'object' || !isPem(tls?.cert) || !isPem(tls?.key)) return []
  try {
    createSecureContext({ cert: tls.cert, key: tls.key, passphrase: tls.passphrase })
    return []
  } catch (error) {
    return [{ path: '/listen/tls', message: `cert and key do not match: ${(error as Error).message}` }]
  }
}

export function isPem(value: unknown): value is string {
  return typeof value === 'string' && value.includes('-----BEGIN ')
}
