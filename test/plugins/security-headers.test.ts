import type { FastifyInstance } from 'fastify'
import t from 'tap'
import Type from 'typebox'
import forward from '../../plugins/forward.ts'
import transform from '../../plugins/transform.ts'
import { call, type Ending, startGateway, startService } from '../harness.ts'
import { exchange, startSession, tls } from '../http2.ts'

const HSTS = 'strict-transport-security'
const own = 'max-age=60; preload'

async function routes(app: FastifyInstance) {
  await app.register(forward)
  await app.register(transform)
  app.forward({ method: 'GET', url: '/*', upstream: 'products', prefix: '' })
  app.forward({
    method: 'GET',
    url: '/edited',
    upstream: 'products',
    prefix: '',
    edit: { response: { headers: { set: { 'Strict-Transport-Security': own } } } }
  })
  const Any = Type.Object({})
  app.transform({
    method: 'GET',
    url: '/transformed',
    upstream: 'products',
    upstreamResponse: Any,
    response: Any,
    toUpstream: () => ({ method: 'GET', path: '/' }),
    toClient: () => ({})
  })
  app.get('/fails', async () => {
    throw new Error('inner')
  })
}

async function start(t: Ending, options: object) {
  const service = await startService(t, (request, response) => {
    if (request.url === '/own') {
      response.setHeader('content-security-policy', "default-src 'self'")
      response.setHeader(HSTS, own)
    }
    response.setHeader('content-type', 'application/json').end('{}')
  })
  const { url } = await startGateway(t, {
    ...options,
    upstreams: { products: { url: service } },
    scopes: {
      secure: { prefix: '/secure', routes, securityHeaders: {} },
      own: { prefix: '/own', routes, securityHeaders: { hsts: 0, policy: { 'default-src': ["'self'"] } } },
      none: { prefix: '/none', routes }
    }
  })
  return url
}

/** Paths, and their Strict-Transport-Security over https. */
const PATHS: [path: string, hsts: string | undefined][] = [
  ['/secure/', 'max-age=31536000'],
  ['/secure/transformed', 'max-age=31536000'],
  ['/secure/fails', 'max-age=31536000'],
  ['/secure/own', own],
  ['/secure/edited', own],
  ['/own/', undefined],
  ['/none/', undefined],
  ['/none/own', own],
  ['/none/edited', own]
]

t.test('every response of a scope has the security headers, problems included', async t => {
  const url = await start(t, {})
  for (const path of ['/secure/', '/secure/fails']) {
    const { headers } = await call(url + path)
    t.equal(headers.get('x-content-type-options'), 'nosniff')
    t.equal(headers.get('content-security-policy'), "default-src 'none';frame-ancestors 'none'")
    t.equal(headers.get('x-request-id') !== null, true)
  }
  t.equal((await call(`${url}/secure/own`)).headers.get('content-security-policy'), "default-src 'self'")
  t.equal((await call(`${url}/own/`)).headers.get('content-security-policy'), "default-src 'self'")
  t.equal((await call(`${url}/none/`)).headers.get('x-content-type-options'), null)
})

t.test('Strict-Transport-Security is sent only to clients that came by https (RFC 6797, 7.2)', async t => {
  const trusting = await start(t, { trustProxy: ['127.0.0.1'] })
  const trustless = await start(t, {})
  const session = await startSession(t, await start(t, { listen: { tls, http2: true } }))
  for (const [path, hsts] of PATHS) {
    const ask = async (url: string, protocol?: string) =>
      (
        await call(url + path, { headers: protocol === undefined ? {} : { 'x-forwarded-proto': protocol } })
      ).headers.get(HSTS) ?? undefined
    t.equal(await ask(trusting), undefined, `${path} over http`)
    t.equal(await ask(trusting, 'http'), undefined, `${path} over http to the proxy`)
    t.equal(await ask(trusting, 'HTTPS'), hsts, `${path} over https to the proxy`)
    t.equal(await ask(trustless, 'https'), undefined, `${path} over https, as anybody may say`)
    t.equal((await exchange(session, { ':path': path })).headers[HSTS], hsts, `${path} over HTTP/2`)
  }
})
