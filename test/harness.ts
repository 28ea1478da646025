import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import type { GatewayDefinition } from '../config/define-gateway.ts'
import { resolveConfig } from '../config/resolve-config.ts'
import * as shop from '../fastify.config.ts'
import { buildGateway } from '../gateway.ts'
import { createLogger } from '../observe/logger.ts'
import { type RunningGateway, startService as serve, startGateway as start } from '../testing.ts'

export { type Answer, call, type RunningGateway } from '../testing.ts'

/** Node resolves `sluice` to the sources instead of to dist. */
export const SOURCES = '--conditions=sluice-source'

/** Servers for Sluice's own tests, besides those of testing.ts. All of them end with the test. */
export interface Ending {
  teardown(end: () => unknown): void
}

/** Starts a gateway: `startGateway(t, { upstreams, scopes })`. Silent unless LOG_LEVEL is set. */
export function startGateway(
  t: Ending,
  definition: GatewayDefinition,
  now?: () => number
): Promise<RunningGateway> {
  return start(t, definition, {
    ...(now && { now }),
    ...(process.env.LOG_LEVEL && { logger: createLogger({ level: process.env.LOG_LEVEL }) })
  })
}

/** Starts the example gateway with an environment: `startShop(t, { ORDERS_URL: … })`. */
export async function startShop(t: Ending, env: Record<string, string>): Promise<RunningGateway> {
  const config = resolveConfig(shop, { LOG_LEVEL: process.env.LOG_LEVEL ?? 'silent', ...env })
  const gateway = await buildGateway(config)
  t.teardown(() => gateway.close())
  return { gateway, url: await gateway.listen({ port: 0, host: '127.0.0.1' }) }
}

/** Starts a service. Returns its URL. */
export const startService: (t: Ending, listener: RequestListener) => Promise<string> = serve

/** Starts a raw service: `talk` gets the socket after the first bytes of a request. */
export async function startTcpService(t: Ending, talk: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createTcpServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', () => talk(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/**
 * Returns the environment of programs that tests start: only PATH and the compile cache of this process, which halves the
 * start time of a gateway. `sluice` resolves to the sources.
 */
export function environmentOf(env: Record<string, string> = {}): Record<string, string> {
  const { PATH = '', NODE_COMPILE_CACHE } = process.env
  const { NODE_OPTIONS = '', ...others } = env
  return {
    PATH,
    ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }),
    ...others,
    NODE_OPTIONS: `${SOURCES} ${NODE_OPTIONS}`
  }
}

/** Returns a URL that refuses connections. */
export async function closedPort(): Promise<string> {
  const server = createTcpServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}`
}
