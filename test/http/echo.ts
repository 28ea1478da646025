import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import forward from '../../plugins/forward.ts'
import transform from '../../plugins/transform.ts'
import type { HttpOptions } from '../../schemas/options/http.ts'
import { type Ending, type RunningGateway, startGateway } from '../harness.ts'

/** Starts a gateway in front of one service: /echo forwards all methods, POST /shaped is a transformation. */
export function startEcho(
  t: Ending,
  service: string,
  options: {
    http?: Partial<HttpOptions>
    listen?: object
    bodyLimit?: number
    deadline?: number
    trustProxy?: string[]
    connections?: number
    failures?: number
  } = {}
): Promise<RunningGateway> {
  const { connections = 64, failures = 1_000_000, ...rest } = options
  return startGateway(t, {
    ...rest,
    // No retries: the tests look at single calls.
    upstreams: {
      products: { url: service, connections, breaker: { failures }, retry: { attempts: 0 } }
    },
    scopes: {
      echo: {
        prefix: '/echo',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: METHODS, url: '/*', upstream: 'products', prefix: '' })
        }
      },
      shaped: { prefix: '/shaped', routes: shaped }
    }
  })
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as never

const Text = Type.Object({ text: Type.String() }, { additionalProperties: false })

async function shaped(app: FastifyInstance) {
  await app.register(transform)
  app.transform({
    method: 'POST',
    url: '/',
    upstream: 'products',
    body: Text,
    upstreamResponse: Type.Object({}),
    response: Type.Object({ ok: Type.Boolean() }),
    toUpstream: request => ({ method: 'POST', path: '/shaped', body: request.body }),
    toClient: () => ({ ok: true })
  })
}
