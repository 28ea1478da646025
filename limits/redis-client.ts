import type { LookupFunction } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import { Redis } from 'ioredis'
import { createConnector, isSelectError, limitReplies } from './ioredis-internals.ts'
import { hasCode, redisReason } from './redis-reason.ts'
import { SCRIPTS } from './redis-scripts.ts'

export interface RedisClient {
  client: Redis
  /** Returns why there is no connection; undefined while there is one. */
  connectionError(): Error | undefined
}

/**
 * Creates a client that connects only when told to, and reconnects from then on. A command fails at once without a
 * connection, or within `SILENCE` ms if the connection is dead.
 */
export function createRedisClient(url: string, log: FastifyBaseLogger, lookup: LookupFunction): RedisClient {
  const client = new Redis(url, {
    Connector: createConnector(lookup),
    lazyConnect: true,
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    autoPipeliningIgnoredCommands: SCRIPTS,
    maxRetriesPerRequest: 0,
    connectTimeout: SILENCE,
    socketTimeout: SILENCE,
    // After a failover another node, which takes writes, may have the same address.
    reconnectOnError: error => hasCode(error, OTHER_NODE),
    // With jitter, so that after an outage the gateways do not all reconnect at once.
    retryStrategy: attempts => Math.min(attempts * 100, 2_000) * (0.5 + Math.random() / 2)
  })
  let reason: string | undefined
  let failure: Error | undefined
  client.on('error', error => {
    const next = redisReason(error)
    // Once for each reason: a wrong password may come after a refused connection.
    if (next !== reason) log.warn({ reason: next }, 'Redis is unavailable')
    reason = next
    failure = error
    // Database 0 has other counters.
    if (isSelectError(error)) client.disconnect(true)
  })
  client.on('connect', () => limitReplies(client))
  client.on('ready', () => {
    if (reason !== undefined) log.info('Redis is available again')
    reason = failure = undefined
  })
  return { client, connectionError: () => failure }
}

/** Milliseconds. */
const SILENCE = 2_000

/** A demoted master, a replica without its master, a node that is starting, and a connection that lost its user. */
const OTHER_NODE = ['READONLY', 'MASTERDOWN', 'LOADING', 'NOAUTH']
