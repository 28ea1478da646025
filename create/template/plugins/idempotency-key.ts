import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { createProblem } from 'sluice'

export interface IdempotencyKeyOptions {
  /** Methods that need a key. Default: POST and PATCH. */
  methods?: string[]
}

const KeyMissing = createProblem('SLUICE_IDEMPOTENCY_KEY_MISSING', 'Missing Idempotency-Key', 400)

/** Rejects requests without an `Idempotency-Key`, by which a service recognizes a repeated request. */
async function idempotencyKey(app: FastifyInstance, { methods = ['POST', 'PATCH'] }: IdempotencyKeyOptions) {
  app.addHook('onRequest', async ({ method, headers }) => {
    if (methods.includes(method) && !headers['idempotency-key']) throw new KeyMissing()
  })
}

export default fp(idempotencyKey, { name: 'idempotency-key', fastify: '5.x' })
