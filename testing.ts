import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { GatewayDefinition } from './config/define-gateway.ts'
import { type ConfigModule, resolveConfig } from './config/resolve-config.ts'
import { buildGateway } from './gateway.ts'
import { type RunningRedis, startRedis as startServer } from './testing/redis-server.ts'

/**
 * `sluice/testing`: starts a gateway in this process, real services and token issuers on free ports, a Redis and a clock.
 * Everything ends with the test. `t` is the context of node:test or tap.
 *
 * ```ts
 * const service = await startService(t, (request, response) => response.end('{}'))
 * const { url } = await startGateway(t, { upstreams: { things: { url: service } }, scopes: { … } })
 * ```
 */
export type Ending = { teardown(end: () => unknown): void } | { after(end: () => unknown): void }

export interface RunningGateway {
  gateway: FastifyInstance
  url: string
}

export interface GatewaySurroundings {
  /** Environment variables of a config with an `environment`. Default: none, whatever the process has. */
  env?: NodeJS.ProcessEnv
  /** Epoch ms; clock of versions, limits in memory and recorded exchanges. */
  now?: () => number
  logger?: FastifyBaseLogger | undefined
}

const SILENT = { level: 'silent' } as const

/**
 * Starts a gateway that listens on a free port. Logs nothing unless given a logger.
 * @param definition a config, or the module of one: `import * as config from '../fastify.config.ts'`
 * @throws ConfigError with every fault of the config and of `env`
 */
export async function startGateway(
  t: Ending,
  definition: GatewayDefinition | ConfigModule,
  { now, logger, env = {} }: GatewaySurroundings = {}
): Promise<RunningGateway> {
  const isModule = 'default' in definition
  const config = resolveConfig(isModule ? definition : { default: { log: SILENT, ...definition } }, env)
  if (isModule) config.log.level = SILENT.level
  const gateway = await buildGateway(config, logger, now)
  endWith(t, () => gateway.close())
  return { gateway, url: await gateway.listen({ port: 0, host: '127.0.0.1' }) }
}

/** Starts a service on loopback, by default on a free port. Returns its URL. */
export async function startService(t: Ending, listener: RequestListener, port = 0): Promise<string> {
  const server = createServer(listener)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  endWith(t, () => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Starts a Redis, or a proxy to the one at REDIS_URL. It can be stopped, paused and started again. */
export function startRedis(t: Ending): Promise<RunningRedis> {
  return startServer({ teardown: end => endWith(t, end) })
}

export interface TokenIssuer {
  /** Options for the config's `issuers`, or for the plugin `jwt`. */
  options: { issuer: string; jwksUri: string; audience: string }
  /** Returns a token. Defaults: `sub` ada, valid for five minutes. */
  token(claims?: object): string
}

/** Starts an issuer of ES256 tokens, by default on a free port. It supports OpenID discovery. */
export async function startTokens(t: Ending, { port = 0 }: { port?: number } = {}): Promise<TokenIssuer> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const kid = randomUUID()
  const jwks = JSON.stringify({
    keys: [{ ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' }]
  })
  const listener: RequestListener = ({ url }, response) => {
    const discovery = JSON.stringify({ issuer, jwks_uri: `${issuer}/jwks` })
    response.setHeader('content-type', 'application/json').end(url === '/jwks' ? jwks : discovery)
  }
  const issuer = await startService(t, listener, port)
  const audience = 'api://gateway'
  return {
    options: { issuer, jwksUri: `${issuer}/jwks`, audience },
    token(claims = {}) {
      const now = Math.floor(Date.now() / 1000)
      const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
      const text = `${encode({ alg: 'ES256', typ: 'at+jwt', kid })}.${encode({ iss: issuer, aud: audience, sub: 'ada', iat: now, exp: now + 300, ...claims })}`
      const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' })
      return `${text}.${signature.toString('base64url')}`
    }
  }
}

export interface Clock {
  now: () => number
  /** Advances the clock by ms. */
  turn(ms: number): void
}

/** Creates a clock that only `turn` advances. */
export function createClock(start = Date.now()): Clock {
  let time = start
  return {
    now: () => time,
    turn: ms => {
      time += ms
    }
  }
}

export interface Answer {
  status: number
  headers: Headers
  text: string
  json: any
}

/** Sends a request and reads the whole response. */
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

export function endWith(t: Ending, end: () => unknown): void {
  if ('teardown' in t) t.teardown(end)
  else t.after(end as () => void)
}
