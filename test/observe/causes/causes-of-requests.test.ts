import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { Type } from 'typebox'
import { forbidden } from '../../../auth/token-errors.ts'
import { createProblem } from '../../../http/problem.ts'
import forward from '../../../plugins/forward.ts'
import transform from '../../../plugins/transform.ts'
import { call, closedPort, startService } from '../../harness.ts'
import { inMs, startIssuer } from '../../issuer.ts'
import { checkCause, type Expected, sendRaw, startStage } from './staged.ts'

/** Stages a request that is rejected before a service is called, for each cause. */

const HANDSHAKE =
  'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
const Rejected = createProblem('SLUICE_STOCK_TAKING', 'The shop is taking stock', 409)
const Order = Type.Object({ qty: Type.Integer() })
const scopeOf = (prefix: string, routes: (app: FastifyInstance) => void) => ({
  prefix,
  routes: async (app: FastifyInstance) => routes(app)
})
const ok = (app: FastifyInstance) => void app.get('/', async () => 'ok')

interface Case extends Expected {
  act: (id: string) => Promise<unknown>
}

t.test('each rejected request has its cause', { timeout: 60_000 }, async t => {
  const service = await startService(t, (request, response) =>
    request.resume().on('end', () => response.end('{}'))
  )
  const issuer = await startIssuer(t)
  const brownout = {
    deprecated: '2020-01-01T00:00:00Z',
    sunset: '2100-01-01T00:00:00Z',
    brownouts: [{ from: '2020-01-01T00:00:00Z', to: '2099-01-01T00:00:00Z' }]
  }
  const versions = {
    v1: { routes: ok, deprecated: '2020-01-01T00:00:00Z', sunset: '2021-01-01T00:00:00Z' },
    v2: { routes: ok },
    v3: { routes: ok, ...brownout }
  }
  const staged = await startStage(t, {
    deadline: 2_000,
    upstreams: { orders: { url: service } },
    issuers: {
      good: { issuer: issuer.issuer, audience: 'api://gateway' },
      down: { issuer: await closedPort(), audience: 'api://gateway' }
    },
    tiers: { once: { limits: [{ limit: 1, window: 60_000 }] } },
    scopes: {
      open: {
        prefix: '/open',
        routes: async (app: FastifyInstance) => {
          await app.register(forward)
          await app.register(transform)
          const schema = { body: Order, response: Type.Any(), upstreamResponse: Type.Any() }
          const toUpstream = () => ({ method: 'GET' as const, path: '/' })
          app.transform({
            method: 'POST',
            url: '/orders',
            upstream: 'orders' as never,
            ...schema,
            toUpstream,
            toClient: (order: unknown) => order as never
          })
          app.transform({
            method: 'GET',
            url: '/header',
            upstream: 'orders' as never,
            response: Type.Any(),
            upstreamResponse: Type.Any(),
            toUpstream: () => ({ method: 'GET', path: '/', headers: { 'x-name': 'a\nb' } }),
            toClient: (order: unknown) => order as never
          })
          app.forward({
            method: 'POST',
            url: '/upload',
            upstream: 'orders' as never,
            prefix: '',
            bodyLimit: 10
          })
          app.forward({
            method: 'POST',
            url: '/slow',
            upstream: 'orders' as never,
            prefix: '',
            config: { deadline: 200 }
          })
          app.post('/small', { bodyLimit: 10 }, async () => 'ok')
          app.get('/forbidden', async () => {
            throw forbidden()
          })
          app.get('/stock', async () => {
            throw new Rejected()
          })
          app.get('/teapot', async (_request: FastifyRequest, reply: FastifyReply) =>
            reply.code(418).send('short')
          )
          app.get('/broken', async () => {
            throw new Error('secret')
          })
          app.get('/failing', async (_request: FastifyRequest, reply: FastifyReply) =>
            reply.code(503).send('closed')
          )
        }
      },
      guarded: { ...scopeOf('/guarded', ok), jwt: 'good' },
      unknown: { ...scopeOf('/unknown', ok), jwt: 'down' },
      limited: { ...scopeOf('/limited', ok), rateLimit: { address: 'once' } },
      inside: { ...scopeOf('/inside', ok), ipFilter: { allow: ['10.0.0.0/8'] } },
      sockets: scopeOf('/sockets', app => {
        app.websocket({ url: '/feed', upstream: 'orders' as never, prefix: '' })
      }),
      versioned: {
        prefix: '/{version}/versioned',
        versions,
        version: { header: 'accept-version' }
      }
    } as never
  })
  const { url } = staged
  const ask =
    (
      path: string,
      { headers = {}, ...init }: { method?: string; body?: string; headers?: Record<string, string> } = {}
    ) =>
    (id: string) =>
      call(`${url}${path}`, { ...init, headers: { 'x-request-id': id, ...headers } })
  const raw = (text: string) => (id: string) => sendRaw(url, text.replace('ID', `x-request-id: ${id}`))
  const json = { 'content-type': 'application/json' }
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
  const cases: Record<string, Case> = {
    'no-route': { cause: 'no-route', status: 404, act: ask('/nowhere') },
    method: { cause: 'method-not-allowed', status: 405, act: ask('/guarded', { method: 'DELETE' }) },
    invalid: {
      cause: 'invalid-request',
      status: 400,
      detail: /^\/body\/qty must be integer$/,
      act: ask('/open/orders', { method: 'POST', body: '{"qty":"secret"}', headers: json })
    },
    'no-json': {
      cause: 'malformed-request',
      status: 400,
      detail: /^FST_ERR_CTP_INVALID_JSON_BODY$/,
      act: ask('/open/orders', { method: 'POST', body: 'secret', headers: json })
    },
    host: {
      cause: 'malformed-request',
      status: 400,
      detail: /^SLUICE_BAD_HOST$/,
      act: raw('GET / HTTP/1.1\r\nID\r\n\r\n')
    },
    handshake: {
      cause: 'malformed-request',
      status: 426,
      detail: /^SLUICE_UPGRADE_REQUIRED$/,
      act: ask('/sockets/feed')
    },
    large: {
      cause: 'body-too-large',
      status: 413,
      act: ask('/open/upload', {
        method: 'POST',
        body: 'more than ten',
        headers: { 'content-type': 'text/plain' }
      })
    },
    'large-json': {
      cause: 'body-too-large',
      status: 413,
      act: ask('/open/small', { method: 'POST', body: '{"more":"than ten"}', headers: json })
    },
    slow: {
      cause: 'request-timeout',
      status: 408,
      upstream: 'orders',
      endpoint: service,
      act: raw(
        'POST /open/slow HTTP/1.1\r\nhost: g\r\nID\r\ncontent-type: text/plain\r\ncontent-length: 10\r\n\r\nabc'
      )
    },
    header: {
      cause: 'unforwardable',
      status: 400,
      detail: /invalid x-name header/,
      upstream: 'orders',
      endpoint: service,
      act: ask('/open/header')
    },
    forbidden: { cause: 'forbidden', status: 403, act: ask('/open/forbidden') },
    stock: {
      cause: 'gateway-rejected',
      status: 409,
      detail: /^SLUICE_STOCK_TAKING$/,
      act: ask('/open/stock')
    },
    teapot: { cause: 'gateway-rejected', status: 418, act: ask('/open/teapot') },
    broken: { cause: 'gateway-error', status: 500, act: ask('/open/broken') },
    failing: { cause: 'gateway-error', status: 503, act: ask('/open/failing') },
    'no-token': { cause: 'token-missing', status: 401, act: ask('/guarded') },
    expired: {
      cause: 'token-expired',
      status: 401,
      act: ask('/guarded', bearer(await issuer.sign({ exp: inMs(-600_000) })))
    },
    'bad-token': { cause: 'token-invalid', status: 401, act: ask('/guarded', bearer('a.b.c')) },
    'no-keys': { cause: 'keys-unavailable', status: 503, act: ask('/unknown', bearer(await issuer.sign())) },
    limited: {
      cause: 'limit-reached',
      status: 429,
      act: async id => {
        await ask('/limited')('first')
        return ask('/limited')(id)
      }
    },
    address: { cause: 'address-rejected', status: 403, act: ask('/inside') },
    origin: {
      cause: 'origin-rejected',
      status: 403,
      act: raw(
        `GET /sockets/feed HTTP/1.1\r\nhost: g\r\nID\r\n${HANDSHAKE}origin: https://evil.example\r\n\r\n`
      )
    },
    'version-unknown': { cause: 'version-unknown', status: 400, act: ask('/v9/versioned') },
    'version-missing': { cause: 'version-missing', status: 400, act: ask('/versioned') },
    'version-conflict': {
      cause: 'version-conflict',
      status: 400,
      act: ask('/v2/versioned', { headers: { 'accept-version': 'v3' } })
    },
    'version-brownout': { cause: 'version-brownout', status: 410, act: ask('/v3/versioned') },
    'version-gone': { cause: 'version-gone', status: 410, act: ask('/v1/versioned') }
  }
  for (const [id, { act, ...expected }] of Object.entries(cases)) {
    await act(id)
    await checkCause(t, staged, id, expected)
  }
  for (const { causeDetail } of staged.entries) t.notMatch(String(causeDetail), 'secret')
})
