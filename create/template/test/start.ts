import type { RequestListener } from 'node:http'
import type { TestContext } from 'node:test'
import { startGateway, startService, startTokens } from 'sluice/testing'
import * as config from '../fastify.config.ts'

/** Starts the gateway of fastify.config.ts with real services and a real issuer, all on free ports. */
export async function start(
  t: TestContext,
  services: { orders?: RequestListener; products?: RequestListener }
) {
  const tokens = await startTokens(t)
  const { url } = await startGateway(t, config, {
    env: {
      ORDERS_URL: await startService(t, services.orders ?? fail),
      PRODUCTS_URL: await startService(t, services.products ?? fail),
      JWT_ISSUER: tokens.options.issuer
    }
  })
  return {
    url,
    /** Headers of a user, as `call` takes them. */
    as: (sub: string, claims: object = {}) => ({
      authorization: `Bearer ${tokens.token({ sub, ...claims })}`
    })
  }
}

/** Returns a service that responds with JSON. */
export function json(value: unknown): RequestListener {
  return (_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(value))
  }
}

const fail: RequestListener = (_request, response) => {
  response.statusCode = 500
  response.end()
}
