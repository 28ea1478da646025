import { once } from 'node:events'
import type { Server } from 'node:http'
import { duplexPair } from 'node:stream'

export interface RawResponse {
  /** 0 without a response. */
  status: number
  headers: Record<string, string>
  body: string
}

/** Milliseconds. */
const TIMEOUT = 15_000

/** How the client appears to the server. */
export interface ClientInfo {
  address: string
  isSecure: boolean
}

/**
 * Sends a raw request to a server that does not listen, over a connection in memory. Node's parser reads it byte for byte.
 * @param ended settles when the exchange has ended; the server may keep the connection open
 */
export async function sendInMemory(
  server: Server,
  message: Buffer,
  { address, isSecure }: ClientInfo,
  ended: Promise<void>
): Promise<RawResponse> {
  const [client, inner] = duplexPair()
  // The members of a socket that Node's HTTP server and the gateway use.
  const socket = Object.assign(inner, {
    remoteAddress: address,
    remotePort: 0,
    bytesRead: 0,
    bytesWritten: 0,
    encrypted: isSecure,
    setTimeout: () => socket,
    setNoDelay: () => socket,
    setKeepAlive: () => socket,
    ref: () => socket,
    unref: () => socket
  }) as typeof inner & object
  inner.on('error', () => {})
  const chunks: Buffer[] = []
  client.on('data', chunk => chunks.push(chunk))
  client.on('error', () => {})
  const timer = setTimeout(() => client.destroy(), TIMEOUT)
  const closed = Promise.race([once(client, 'end'), once(client, 'close')])
  server.emit('connection', socket)
  client.write(message)
  await Promise.race([closed, ended])
  clearTimeout(timer)
  // Wait for the last chunk to arrive.
  await new Promise(resolve => setImmediate(resolve))
  client.destroy()
  inner.destroy()
  return parse(Buffer.concat(chunks).toString('latin1'))
}

/** Skips interim responses. */
function parse(text: string): RawResponse {
  const end = text.indexOf('\r\n\r\n')
  const head = end === -1 ? text : text.slice(0, end)
  const [, status = '0'] = /^HTTP\/1\.[01] (\d{3})/.exec(head) ?? []
  const rest = end === -1 ? '' : text.slice(end + 4)
  if (status === '100') return parse(rest)
  const headers = Object.fromEntries(
    head
      .split('\r\n')
      .slice(1)
      .map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()])
  )
  return { status: Number(status), headers, body: Buffer.from(rest, 'latin1').toString('utf8') }
}
