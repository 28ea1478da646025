import { connect, type NetConnectOpts } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AbstractConnector, type RedisOptions } from 'ioredis'
import { lookup } from '../http/lookup.ts'

/** ioredis' connector to one Redis, with the gateway's DNS look-ups: ioredis has no `lookup` option for it. */
export class RedisConnector extends AbstractConnector {
  #options: RedisOptions

  constructor(options: unknown) {
    super((options as RedisOptions).disconnectTimeout as number)
    this.#options = options as RedisOptions
  }

  async connect() {
    const { path, host, port, family, tls } = this.#options
    const place = (path ? { path } : { host, port, family, lookup }) as NetConnectOpts
    this.connecting = true
    // As ioredis does: a disconnect() in the same turn comes first.
    await Promise.resolve()
    if (!this.connecting) throw new Error('Connection is closed.')
    const stream = tls ? connectTls({ ...place, ...tls }) : connect(place)
    stream.once('error', error => {
      this.firstError = error
    })
    this.stream = stream
    return stream
  }
}
