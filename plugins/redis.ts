import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import fastifyRedis from '@fastify/redis'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Redis } from 'ioredis'
import { RedisConnector } from '../limits/redis-connector.ts'
import { hasCode, redisReason } from '../limits/redis-reason.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { RedisOptions } from '../schemas/options/redis.ts'

/**
 * `fastify.redis` by @fastify/redis, such that nothing waits for a Redis that is away: a command fails at once, or
 * within `SILENCE` ms if the connection is dead without saying so; the gateway starts and ends all the same.
 * `fastify.redisTimeout` (ms) is how long a request may wait.
 */
async function redis(fastify: FastifyInstance, input: Input<typeof RedisOptions>) {
  const { url, timeout } = completeOptions(RedisOptions, input, 'redis')
  const client = new Redis(url, {
    Connector: RedisConnector,
    lazyConnect: true,
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    maxRetriesPerRequest: 0,
    connectTimeout: SILENCE,
    socketTimeout: SILENCE,
    // After a failover another node, which takes writes, may have the same address.
    reconnectOnError: error => hasCode(error, OTHER_NODE),
    // Jittered: after an outage all gateways come back, but not at once.
    retryStrategy: attempts => Math.min(attempts * 100, 2_000) * (0.5 + Math.random() / 2)
  })
  let reason: string | undefined
  let failure: Error | undefined
  client.on('error', error => {
    const next = redisReason(error)
    // Once for each reason: a wrong password may come after a refused connection.
    if (next !== reason) fastify.log.warn({ reason: next }, 'Redis is unavailable')
    reason = next
    failure = error
    // ioredis would continue in database 0, which has other counters.
    if (isOfSelect(error)) client.disconnect(true)
  })
  client.on('connect', () => boundReplies(client as unknown as Connected))
  client.on('ready', () => {
    if (reason !== undefined) fastify.log.info('Redis is available again')
    reason = failure = undefined
  })

  // @fastify/redis holds the start back until a client is ready, for good if there is no Redis.
  const status = client.status
  client.status = 'ready'
  fastifyRedis(fastify, { client }, () => {})
  client.status = status
  fastify.decorate('redisTimeout', timeout)
  fastify.decorate('redisError', () => failure)
  fastify.addHook('onClose', async () => client.disconnect())

  if (fastify.overrides?.redis === false) return client.disconnect()
  // The first requests should be counted in a Redis that is there. One that is not refuses at once, or never answers.
  await Promise.race([client.connect().catch(() => {}), setTimeout(1_000, undefined, { ref: false })])
}

const SILENCE = 2_000

/** A demoted master, a replica without its master, a node that is starting, and a connection that lost its user. */
const OTHER_NODE = ['READONLY', 'MASTERDOWN', 'LOADING', 'NOAUTH']

interface Connected {
  stream: Socket
  commandQueue: { peekFront(): unknown }
}

/** Closes the connection if a reply is much too large: ioredis buffers whole replies, and Redis allows 512 MiB. */
function boundReplies({ stream, commandQueue }: Connected): void {
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

/** Bytes. A limit's reply has less than 500. */
const MAX_REPLY = 8_388_608

function isOfSelect(error: Error): boolean {
  return (error as { command?: { name?: string } }).command?.name === 'select'
}

export default fp(redis, { name: 'sluice-redis', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /** Milliseconds that a request waits for Redis. Undefined unless the redis plugin is registered. */
    redisTimeout?: number
    /** Why there is no connection to Redis; undefined while there is one. */
    redisError(): Error | undefined
  }
}
