import { connect, type LookupFunction, type NetConnectOpts, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AbstractConnector, type Redis, type RedisOptions } from 'ioredis'

/**
 * Undocumented behaviour of ioredis 5 that Sluice relies on:
 *
 * - the `Connector` option takes a class whose `connect()` returns the socket, and sets `firstError`, `connecting` and
 *   `stream` for its base class
 * - `client.stream` is the socket, and `client.commandQueue` holds the commands that wait for a reply, oldest first
 * - an error that belongs to a command has it as `error.command`
 * - a command without a connection fails with a message that begins with `Stream isn't writeable`
 */

/** Returns a connector that resolves names by `lookup`: ioredis has no such option for a single Redis. */
export function createConnector(lookup: LookupFunction): NonNullable<RedisOptions['Connector']> {
  return class Connector extends AbstractConnector {
    readonly #options: RedisOptions

    constructor(options: unknown) {
      super((options as RedisOptions).disconnectTimeout as number)
      this.#options = options as RedisOptions
    }

    async connect(): Promise<Socket> {
      const { path, host, port, family, tls } = this.#options
      const address = (path ? { path } : { host, port, family, lookup }) as NetConnectOpts
      this.connecting = true
      // As in ioredis: a disconnect() in the same turn comes first.
      await Promise.resolve()
      if (!this.connecting) throw new Error('Connection is closed.')
      const stream = tls ? connectTls({ ...address, ...tls }) : connect(address)
      stream.once('error', error => {
        this.firstError = error
      })
      this.stream = stream
      return stream
    }
  }
}

/**
 * Writes the commands that `send` sends in one piece. Autopipelining does that too, but builds an object with all commands of
 * Redis each time, and three more promises for each command.
 */
export function inOnePiece(client: Redis, send: () => void): void {
  const { stream } = client as unknown as Partial<Connected>
  stream?.cork()
  try {
    send()
  } finally {
    stream?.uncork()
  }
}

interface Connected {
  stream: Socket
  commandQueue: { peekFront(): unknown }
}

/** Closes the connection when a reply exceeds `MAX_REPLY`: ioredis buffers whole replies, and Redis allows 512 MiB. */
export function limitReplies(client: Redis): void {
  const { stream, commandQueue } = client as unknown as Connected
  let awaited: unknown
  let bytes = 0
  // Called after ioredis has read the chunk.
  stream.on('data', (chunk: Buffer) => {
    const next = commandQueue.peekFront()
    bytes = next === awaited ? bytes + chunk.length : 0
    awaited = next
    if (bytes > MAX_REPLY) stream.destroy(new Error('an unexpected reply: too large'))
  })
}

/** Bytes. The reply of a limit has less than 500. */
const MAX_REPLY = 8_388_608

/** True if Redis rejected the database of the URL. ioredis would continue in database 0. */
export function isSelectError(error: Error): boolean {
  return (error as { command?: { name?: string } }).command?.name === 'select'
}

/** True if a command failed because there is no connection, which does not say why. */
export function isNotConnected({ message }: Error): boolean {
  return message.startsWith("Stream isn't writeable")
}
