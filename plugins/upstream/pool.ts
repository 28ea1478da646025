import type { LookupFunction } from 'node:net'
import { buildConnector, Pool } from 'undici'
import type { EndpointsOptions } from '../../schemas/endpoints.ts'
import { lookup } from '../lookup.ts'
import { Http1Client } from './http1.ts'

/** Where connections go, and as what. */
export interface Target {
  /** For state, logs and metrics. */
  url: string
  /** What is asked for: the `Host`, and the name that a certificate must have. */
  origin: string
  /** Put before every request's path. */
  base: string
  /** Of a Unix socket. */
  socketPath?: string
  /** What the origin's name was resolved to. Without it, each connection resolves it anew. */
  address?: { address: string; family: 4 | 6 }
  weight: number
  /** Lower ones are used first (RFC 2782); others only once too few of them are left. */
  priority: number
}

/** The target of a URL in a config. To a service on a Unix socket the host is `localhost`. */
export function targetOf(url: string, weight = 1): Target {
  if (url.startsWith('unix:'))
    return { url, origin: 'http://localhost', base: '', socketPath: url.slice(5), weight, priority: 0 }
  const { origin, pathname } = new URL(url)
  return { url: withoutSecrets(url), origin, base: pathname.replace(/\/$/, ''), weight, priority: 0 }
}

function withoutSecrets(url: string): string {
  if (!url.includes('@')) return url
  const plain = new URL(url)
  plain.username = plain.password = ''
  return plain.href
}

export function createPool(target: Target, options: EndpointsOptions): Pool {
  const { tls, http2, maxHeaderSize } = options
  const connect = {
    timeout: options.connectTimeout,
    ca: tls?.ca,
    cert: tls?.cert,
    key: tls?.key,
    servername: tls?.servername,
    rejectUnauthorized: true,
    ...(target.socketPath !== undefined && { socketPath: target.socketPath }),
    lookup: target.address === undefined ? lookup : answerWith(target.address)
  }
  const common = {
    connections: options.connections,
    ...(maxHeaderSize !== undefined && { maxHeaderSize }),
    // The exchange's deadline covers both, to the last byte.
    headersTimeout: 0,
    bodyTimeout: 0
  }
  if (!http2)
    return new Pool(target.origin, {
      ...common,
      pipelining: 1,
      allowH2: false,
      connect: buildConnector({ ...connect, allowH2: false }),
      factory: (origin, options) => new Http1Client(origin, options as never)
    })
  return new Pool(target.origin, {
    ...common,
    // In HTTP/2 a connection carries as many as the service allows.
    allowH2: true,
    // (Of the pool too, whatever its types say.)
    ...{ useH2c: target.origin.startsWith('http:') },
    connect
  })
}

function answerWith({ address, family }: { address: string; family: number }): LookupFunction {
  return (_name, { all }, callback) => {
    if (all) callback(null, [{ address, family }])
    else callback(null, address, family)
  }
}
