import type { FastifyRequest } from 'fastify'
import { consumerOf } from '../../auth/consumer.ts'
import { clientNetwork } from '../../http/client-address.ts'
import { createProblem, type ProblemError } from '../../http/problem.ts'

const TITLE = 'Too many connections are open'
const RETRY = { headers: { 'retry-after': '1' } }
const TooManyConnections = createProblem('SLUICE_TOO_MANY_CONNECTIONS', TITLE, 503, RETRY)
const TooManyOfConsumer = createProblem('SLUICE_TOO_MANY_CONNECTIONS', TITLE, 429, RETRY)

/** Counts the open connections of one route. */
export interface ConnectionCounter {
  /**
   * Counts one more connection. Returns the function that ends it.
   * @throws SLUICE_TOO_MANY_CONNECTIONS (503, or 429 for one consumer) at the limit
   */
  open(request: FastifyRequest): () => void
}

/** `maxPerConsumer`: connections of one consumer, or of one address (IPv6: /64) without a token. */
export function createConnectionCounter(max: number, maxPerConsumer: number): ConnectionCounter {
  let total = 0
  const byConsumer = new Map<string, number>()

  return {
    open(request) {
      if (total >= max) throw new TooManyConnections() as ProblemError
      const key = keyOf(request)
      const own = byConsumer.get(key) ?? 0
      if (own >= maxPerConsumer) throw new TooManyOfConsumer() as ProblemError
      total++
      byConsumer.set(key, own + 1)
      return () => {
        total--
        const left = (byConsumer.get(key) as number) - 1
        if (left === 0) byConsumer.delete(key)
        else byConsumer.set(key, left)
      }
    }
  }
}

function keyOf(request: FastifyRequest): string {
  const consumer = consumerOf(request)
  return consumer === undefined ? `address:${clientNetwork(request)}` : `consumer:${consumer}`
}
