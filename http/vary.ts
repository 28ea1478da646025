import type { FastifyReply } from 'fastify'

/** Adds a name to the response's `Vary`, unless it is there already. */
export function addVary(reply: FastifyReply, name: string): void {
  const before = String(reply.getHeader('vary') ?? '')
  const names = before.toLowerCase().split(',')
  if (names.some(each => each.trim() === '*' || each.trim() === name.toLowerCase())) return
  reply.header('vary', before === '' ? name : `${before}, ${name}`)
}
