import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import * as shop from '../fastify.config.ts'
import { buildGateway, resolveConfig } from '../gateway.ts'
import type { GatewayDefinition } from '../schemas/gateway.ts'

/** What tests start for real, each on a port of its own, and ended with the test. */

export interface Ending {
  teardown(end: () => unknown): void
}

export interface RunningGateway {
  gateway: FastifyInstance
  url: string
}

/** A gateway of a definition: `startGateway(t, { upstreams, scopes })`. Logs nothing unless LOG_LEVEL is set. */
export async function startGateway(
  t: Ending,
  definition: GatewayDefinition<string, string, string>,
  now?: () => number
): Promise<RunningGateway> {
  const config = resolveConfig(
    { default: { log: { level: process.env.LOG_LEVEL ?? 'silent' }, ...definition } },
    {}
  )
  return listen(t, await buildGateway(config, undefined, now))
}

/** The reference gateway, as its environment has it: `startShop(t, { ORDERS_URL: … })`. */
export async function startShop(t: Ending, env: Record<string, string>): Promise<RunningGateway> {
  const config = resolveConfig(shop, { LOG_LEVEL: process.env.LOG_LEVEL ?? 'silent', ...env })
  return listen(t, await buildGateway(config))
}

async function listen(t: Ending, gateway: FastifyInstance): Promise<RunningGateway> {
  t.teardown(() => gateway.close())
  return { gateway, url: await gateway.listen({ port: 0, host: '127.0.0.1' }) }
}

/** A service that answers by `listener`. Returns its URL. */
export async function startService(t: Ending, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A service that speaks for itself: `talk` gets the socket once the first bytes of a request have come. */
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

/** A URL at which nobody listens. */
export async function closedPort(): Promise<string> {
  const server = createTcpServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}`
}

export interface Answer {
  status: number
  headers: Headers
  text: string
  json: any
}

/** One exchange, with its answer read to the end. */
export async function call(url: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(url, init)
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined
  }
}
