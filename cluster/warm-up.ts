import { once } from 'node:events'
import { connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { resolveConfig } from '../config/resolve-config.ts'
import { buildGateway } from '../gateway.ts'
import { createServer, request } from '../http/node-internals.ts'
import compose from '../plugins/compose.ts'
import forward from '../plugins/forward.ts'

/**
 * Runs exchanges through a gateway of its own, so that code is loaded and compiled before the first request. Otherwise the
 * first exchange takes some 40 ms, and hundreds more compete with V8's compilers. Logs and counts nothing.
 *
 * @param path prefix of the paths of two temporary Unix sockets
 * @param time limit in ms
 */
export async function warmUp(path: string, time: number): Promise<void> {
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
  const gateway = await buildGateway(configOf(`${path}.service`))
  const listener = `${path}.front`
  gateway.server.listen(listener)
  await once(gateway.server, 'listening')
  try {
    for (let i = 0; i < EXCHANGES && performance.now() < endsAt; i++)
      for (const url of ['/warm/plain', '/warm/composed']) await get(listener, url)
  } finally {
    gateway.server.close()
    await gateway.close()
    service.close()
    service.closeAllConnections()
  }
}

/** Exchanges of each kind. With 30, the 99th percentile during a reload was 1.5 times as high (docs/decisions/0019). */
const EXCHANGES = 1_000

function get(socketPath: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request({ createConnection: () => connect(socketPath), path, headers: { host: 'warm' } }, response =>
      response.resume().once('close', resolve)
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
        scopes: { warm: { prefix: '/warm', routes } }
      }
    },
    {}
  )
}
