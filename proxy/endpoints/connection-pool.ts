import type { LookupFunction } from 'node:net'
import { buildConnector, type Dispatcher, Pool } from 'undici'
import type { EndpointsOptions } from '../../schemas/options/endpoints.ts'
import { Http2Dispatcher } from '../http2/dispatcher.ts'
import { Http1Client } from '../undici-internals.ts'

/** Address of an endpoint, and how it is addressed. */
export interface Target {
  /** For state, logs and metrics. */
  url: string
  /** Origin of requests: the `Host`, and the name that the certificate must contain. */
  origin: string
  /** Prefix of every request's path. */
  base: string
  /** Path of a Unix socket. */
  socketPath?: string
  /** Resolved address. Without it, each connection resolves the origin's name. */
  address?: { address: string; family: 4 | 6 }
  weight: number
  /** Lower values are used first (RFC 2782); higher ones only if too few endpoints are left. */
  priority: number
}

/** Returns the target of a configured URL. A service on a Unix socket gets `Host: localhost`. */
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

export type PoolOptions = EndpointsOptions & {
  /** Resolves names. Default: Node's lookup. */
  lookup?: LookupFunction | undefined
}

/** Creates the dispatcher of an endpoint. */
export function createPool(target: Target, options: PoolOptions): Dispatcher {
  const { connections, connectTimeout, maxHeaderSize } = options
  const connect = connectOptions(target, options)
  const connectHttp1 = buildConnector({ ...connect, allowH2: false })
  if (!options.http2) return createHttp1Pool(target, options, connectHttp1)
  return new Http2Dispatcher({
    origin: target.origin,
    connections,
    connectTimeout,
    ...(maxHeaderSize !== undefined && { maxHeaderSize }),
    connector: buildConnector({ ...connect, allowH2: true, preferH2: true }),
    createHttp1Pool: takeSocket =>
      createHttp1Pool(target, options, (to, callback) => {
        const socket = takeSocket()
        if (socket === undefined) return connectHttp1(to, callback)
        // undici expects the callback in a later turn.
        process.nextTick(callback, null, socket)
        return socket
      })
  })
}

function createHttp1Pool(
  target: Target,
  { connections, maxHeaderSize }: EndpointsOptions,
  connect: buildConnector.connector
): Pool {
  return new Pool(target.origin, {
    connections,
    ...(maxHeaderSize !== undefined && { maxHeaderSize }),
    pipelining: 1,
    allowH2: false,
    // The exchange's deadline covers both.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect,
    factory: (origin, options) => new Http1Client(origin, options as never)
  })
}

function connectOptions(target: Target, { tls, connectTimeout, lookup }: PoolOptions) {
  return {
    timeout: connectTimeout,
    ca: tls?.ca,
    cert: tls?.cert,
    key: tls?.key,
    servername: tls?.servername,
    rejectUnauthorized: true,
    ...(target.socketPath !== undefined && { socketPath: target.socketPath }),
    lookup: target.address === undefined ? lookup : answerWith(target.address)
  }
}

function answerWith({ address, family }: { address: string; family: number }): LookupFunction {
  return (_name, { all }, callback) => {
    if (all) callback(null, [{ address, family }])
    else callback(null, address, family)
  }
}
