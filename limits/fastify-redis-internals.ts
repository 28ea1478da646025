import fastifyRedis from '@fastify/redis'
import type { FastifyInstance } from 'fastify'
import type { Redis } from 'ioredis'

/**
 * Decorates the app with a client by @fastify/redis, without waiting for a connection.
 *
 * @fastify/redis waits until `client.status` is `ready`, forever if there is no Redis. It only reads the status during the
 * call, so another value then is enough.
 */
export function decorateClient(fastify: FastifyInstance, client: Redis): void {
  const { status } = client
  client.status = 'ready'
  fastifyRedis(fastify, { client }, () => {})
  client.status = status
}
