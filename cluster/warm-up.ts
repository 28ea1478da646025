import { once } from 'node:events'
import { connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { createSubstituteKeys } from '../auth/substitute-keys.ts'
import { resolveConfig } from '../config/resolve-config.ts'
import { buildGateway } from '../gateway.ts'
import { createServer, request } from '../http/node-internals.ts'
import compose from '../plugins/compose.ts'
import forward from '../plugins/forward.ts'

/**
 * Runs exchanges through a gateway of its own, with tokens and limits, so that code is loaded and compiled before the first
 * request. Otherwise the first exchange takes some 40 ms, and hundreds more compete with V8's compilers. Logs and counts
 * nothing.
 *
 * @param path prefix of the paths of two temporary Unix sockets
 * @param time limit in ms
 * @returns the number of exchanges that succeeded
 */
export async function warmUp(path: string, time: number): Promise<number> {
  const endsAt = performance.now() + time
  const answer = JSON.stringify({ id: '1' })
  const service = createServer((incoming, response) => {
    incoming.resume()
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
      .end(answer)
  })
  service.listen(`${path}.service`)
  await once(service, 'listening')
  const keys = createSubstituteKeys()
  const gateway = await buildGateway(configOf(`${path}.service`), undefined, Date.now, {
    overrides: { createJwks: () => keys.jwks }
  })
  const token = keys.issue({
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'warm',
    exp: Math.floor(Date.now() / 1_000) + 3_600
  })
  const listener = `${path}.front`
  gateway.server.listen(listener)
  await once(gateway.server, 'listening')
  let succeeded = 0
  try {
    for (let i = 0; i < EXCHANGES && performance.now() < endsAt; i++)
      for (const url of ['/warm/plain', '/warm/composed'])
        if ((await get(listener, url, token)) === 200) succeeded++
    return succeeded
  } finally {
    gateway.server.close()
    await gateway.close()
    service.close()
    service.closeAllConnections()
  }
}

const ISSUER = 'http://127.0.0.1'
const AUDIENCE = 'warm'

/** Exchanges of each kind. With 30, the 99th percentile during a reload was 1.5 times as high (docs/decisions/0019). */
const EXCHANGES = 1_000

/** Returns the status of the response. */
function get(socketPath: string, path: string, token: string): Promise<number | undefined> {
  const headers = { host: 'warm', authorization: `Bearer ${token}` }
  return new Promise((resolve, reject) => {
    request({ createConnection: () => connect(socketPath), path, headers }, response =>
      response.resume().once('close', () => resolve(response.statusCode))
    )
      .once('error', reject)
      .end()
  })
}

function configOf(socketPath: string) {
  const upstream = 'warm' as never
  const Answer = Type.Object({ id: Type.String() })
  const part = { upstream, required: true, upstreamResponse: Answer, path: () => '/' }
  const routes = async (app: FastifyInstance) => {
    await app.register(forward)
    await app.register(compose)
    app.forward({ method: 'GET', url: '/plain', upstream, prefix: '' })
    app.compose({
      url: '/composed',
      parts: { one: part, other: part },
      response: Type.Object({ one: Answer, other: Answer }),
      toClient: (parts: unknown) => parts as never
    })
  }
  return resolveConfig(
    {
      default: {
        log: { level: 'silent' },
        upstreams: { warm: { url: `unix:${socketPath}` } },
        issuers: { warm: { issuer: ISSUER, audience: AUDIENCE } },
        tiers: { warm: { limits: [{ limit: 1_000_000_000, window: 60_000 }] } },
        scopes: { warm: { prefix: '/warm', routes, jwt: 'warm', rateLimit: { consumer: 'warm' } } }
      }
    },
    {}
  )
}
