import { setTimeout } from 'node:timers/promises'
import fastifyRedis from '@fastify/redis'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Redis } from 'ioredis'
import type { RedisOptions } from '../schemas/rate-limit.ts'
import { RedisConnector } from './redis-connector.ts'

export interface RedisPluginOptions extends RedisOptions {
  /** It is not connected to: every command fails. */
  isAway?: boolean
}

/**
 * `fastify.redis` by @fastify/redis, such that nothing waits for a Redis that is away: a command fails at once, or
 * within `SILENCE` ms if the connection is dead without saying so; the gateway starts and ends all the same.
 * `fastify.redisTimeout` (ms) is how long a request may wait.
 */
async function redis(fastify: FastifyInstance, { url, timeout, isAway = false }: RedisPluginOptions) {
  const client = new Redis(url, {
    Connector: RedisConnector,
    lazyConnect: true,
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    maxRetriesPerRequest: 0,
    connectTimeout: SILENCE,
    socketTimeout: SILENCE,
    // Jittered: after an outage all gateways come back, but not at once.
    retryStrategy: attempts => Math.min(attempts * 100, 2_000) * (0.5 + Math.random() / 2)
  })
  let isDown = false
  client.on('error', error => {
    if (!isDown) fastify.log.warn({ err: error }, 'Redis is away')
    isDown = true
  })
  client.on('ready', () => {
    if (isDown) fastify.log.info('Redis is back')
    isDown = false
  })

  // @fastify/redis holds the start back until a client is ready, for good if there is no Redis.
  const status = client.status
  client.status = 'ready'
  fastifyRedis(fastify, { client }, () => {})
  client.status = status
  fastify.decorate('redisTimeout', timeout)
  fastify.addHook('onClose', async () => client.disconnect())

  if (isAway) return client.disconnect()
  // The first requests should be counted in a Redis that is there. One that is not refuses at once, or never answers.
  await Promise.race([client.connect().catch(() => {}), setTimeout(1_000, undefined, { ref: false })])
}

const SILENCE = 2_000

export default fp(redis, { name: 'sluice-redis', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    redisTimeout: number
  }
}
