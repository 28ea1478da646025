import fastifyRedis from '@fastify/redis'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Redis } from 'ioredis'
import type { RedisOptions } from '../schemas/rate-limit.ts'

/**
 * `fastify.redis` by @fastify/redis, such that nothing ever waits for a Redis that is away: neither the start of the
 * gateway, nor its end, nor a request for longer than `timeout`.
 */
async function redis(fastify: FastifyInstance, { url, timeout }: RedisOptions) {
  const client = new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: timeout,
    connectTimeout: 2_000,
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

  client.connect().catch(() => {})
  fastify.addHook('onClose', async () => client.disconnect())
}

export default fp(redis, { name: 'sluice-redis', fastify: '5.x' })
