import { once } from 'node:events'
import type { Server } from 'node:http'
import { duplexPair } from 'node:stream'

export interface Answer {
  /** 0 if there was none. */
  status: number
  headers: Record<string, string>
  body: string
}

/** Milliseconds. */
const TIMEOUT = 15_000

export interface Peer {
  /** Its address. */
  from: string
  isSecure: boolean
}

/**
 * One exchange with a server that does not listen, over a connection in memory: the message goes through node's own
 * parser, octet for octet. `isOver`: settled once it has been answered; else the end of the connection says so.
 */
export async function exchangeOver(
  server: Server,
  message: Buffer,
  { from, isSecure }: Peer,
  isOver: Promise<void>
): Promise<Answer> {
  const [client, inner] = duplexPair()
  // What node and the gateway ask of a socket, beside its stream.
  const socket = Object.assign(inner, {
    remoteAddress: from,
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
  const isClosed = Promise.race([once(client, 'end'), once(client, 'close')])
  server.emit('connection', socket)
  client.write(message)
  await Promise.race([isClosed, isOver])
  clearTimeout(timer)
  // What has been written is read in its turn.
  await new Promise(resolve => setImmediate(resolve))
  client.destroy()
  inner.destroy()
  return parse(Buffer.concat(chunks).toString('latin1'))
}

/** An interim answer is not the one that counts. */
function parse(text: string): Answer {
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
