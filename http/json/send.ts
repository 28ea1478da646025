import type { FastifyReply } from 'fastify'
import { identity } from '../problem.ts'

/**
 * Sends `value` as JSON, serialized by the route's schema for 2xx. Fastify would send a string as text and null as no
 * content.
 * @throws if `value` is undefined or does not match the schema
 */
export function sendJson(reply: FastifyReply, value: unknown): FastifyReply {
  if (value === undefined) throw new Error('toClient returned undefined')
  if (value !== null && typeof value !== 'string') return reply.send(value)
  const serialize = reply.getSerializationFunction('2xx') as (value: unknown) => string
  const text = serialize(value)
  return reply.type('application/json; charset=utf-8').serializer(identity).send(text)
}
