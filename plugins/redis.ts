import { setTimeout } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { lookupOf } from '../http/lookup.ts'
import { decorateClient } from '../limits/fastify-redis-internals.ts'
import { createRedisClient } from '../limits/redis-client.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { RedisOptions as Options } from '../schemas/options/redis.ts'

export type RedisOptions = Input<typeof Options>

/**
 * Connects to a Redis, where the rateLimit plugin then counts: `fastify.redis`, by @fastify/redis. Register it on the app,
 * outside scopes.
 *
 * ```ts
 * await app.register(redis, { url: 'redis://127.0.0.1:6379' })
 * ```
 *
 * The app starts and ends without Redis too. While there is no connection, commands fail at once.
 */
async function redis(fastify: FastifyInstance, input: RedisOptions) {
  const { url, timeout } = completeOptions(Options, input, 'redis')
  const { client, connectionError } = createRedisClient(url, fastify.log, lookupOf(fastify))
  decorateClient(fastify, client)
  fastify.decorate('redisTimeout', timeout)
  fastify.decorate('redisError', connectionError)
  fastify.addHook('onClose', async () => client.disconnect())

  if (fastify.overrides?.redis === false) return client.disconnect()
  // So that the first requests are counted in Redis if there is one: if not, it refuses at once or never replies.
  await Promise.race([client.connect().catch(() => {}), setTimeout(1_000, undefined, { ref: false })])
}

export default fp(redis, { name: 'sluice-redis', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /** Milliseconds that a request waits for Redis. Undefined unless the redis plugin is registered. */
    redisTimeout?: number
    /** Returns why there is no connection to Redis; undefined while there is one. */
    redisError?(): Error | undefined
  }
}
