import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/**
 * Lets `close()` end as soon as the last exchange has: a keep-alive connection that had a request in flight would
 * otherwise stay open until its client is done with it (72 s). Requests that still come are answered, and told to come
 * no more. Exchanges without a deadline, which need never end, are ended when most of the time is over.
 */
export interface DrainOptions {
  /** Milliseconds that open exchanges get. */
  drain: number
}

async function drain(fastify: FastifyInstance, options: DrainOptions) {
  fastify.addHook('preClose', done => {
    const { server } = fastify
    server.prependListener('request', (_request, response) => {
      response.shouldKeepAlive = false
    })
    const timer = setInterval(() => server.closeIdleConnections(), 20)
    const end = setTimeout(fastify.endStreams, options.drain * 0.8)
    server.once('close', () => {
      clearInterval(timer)
      clearTimeout(end)
    })
    done()
  })
}

export default fp(drain, { name: 'sluice-drain', fastify: '5.x', dependencies: ['sluice-exchange'] })
