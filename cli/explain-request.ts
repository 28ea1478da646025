import { isIP } from 'node:net'
import type { GatewayConfig } from '../schemas/options/gateway.ts'
import { UsageError, type Values } from './command.ts'
import type { DryRun, DryRunResult } from './dry-run.ts'

/** The request of `sluice explain`. */
export interface ExplainedRequest {
  method: string
  target: string
  headers: [string, string][]
  body: string | undefined
  from: string
}

/** @throws UsageError for a request that cannot be written as HTTP/1.1 */
export function parseRequest(
  method: string,
  url: string,
  { header, data, from, as }: Values
): ExplainedRequest {
  if (!/^[!#$%&'*+.^_`|~\w-]{1,32}$/.test(method)) throw new UsageError('METHOD must be an HTTP method')
  if (!/^[\x21-\x7e]{1,65536}$/.test(url))
    throw new UsageError('URL must be ASCII without spaces and control characters; percent-encode them (%20)')
  // The gateway rejects `CONNECT host:port` and unknown schemes itself.
  if (/^[^/*:]+(\/|$)/.test(url) && method !== 'CONNECT')
    throw new UsageError('URL must begin with / or http://, such as /api/v1/products')
  if (isIP(from as string) === 0) throw new UsageError('--from must be an IP address')
  const headers = (header as string[]).map(parseHeader)
  const has = (name: string) => headers.some(([given]) => given.toLowerCase() === name)
  if (as !== undefined && has('authorization'))
    throw new UsageError('use either --as or an Authorization header')
  const body = data as string | undefined
  if (body !== undefined) {
    if (!has('content-type')) headers.push(['Content-Type', 'application/json'])
    if (!has('content-length') && !has('transfer-encoding'))
      headers.push(['Content-Length', String(Buffer.byteLength(body))])
  }
  return { method, target: url, headers, body, from: from as string }
}

function parseHeader(line: string): [string, string] {
  const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/.exec(line) ?? []
  if (name === undefined || value === undefined)
    throw new UsageError(
      `${JSON.stringify(line)} is not a header: use 'Name: value' without control characters`
    )
  return [name, value]
}

/** Returns the claims of `--as`. */
export function parseClaims({ as }: Values): object | undefined {
  if (as === undefined) return undefined
  if (!(as as string).trimStart().startsWith('{')) return { sub: as }
  try {
    return JSON.parse(as as string)
  } catch {
    throw new UsageError('--as must be a subject, or claims as JSON')
  }
}

/** Sends the request with a Host header, and with its token signed by the dry run's keys. */
export function sendRequest(
  { method, target, headers, body = '', from }: ExplainedRequest,
  { keys, send }: DryRun,
  config: GatewayConfig
): Promise<DryRunResult> {
  const { host, port } = config.listen
  const ownHost = URL.canParse(target)
    ? new URL(target).host
    : `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
  const hasHost = headers.some(([name]) => name.toLowerCase() === 'host')
  const all: [string, string][] = hasHost ? headers : [['Host', ownHost], ...headers]
  const lines = all.map(([name, value]) => {
    const [, scheme, token] =
      (name.toLowerCase() === 'authorization' && /^(bearer +)(\S+)$/i.exec(value)) || []
    return `${name}: ${token === undefined ? value : scheme + keys.resign(token)}`
  })
  const head = `${method} ${target} HTTP/1.1\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n`
  return send(Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body)]), from)
}
