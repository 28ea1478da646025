import t from 'tap'
import forward from '../../plugins/forward.ts'
import { call, startGateway, startService } from '../harness.ts'

t.test('a scope says what browsers may do with its answers, problems included', async t => {
  const service = await startService(t, (request, response) => {
    if (request.url === '/own') response.setHeader('content-security-policy', "default-src 'self'")
    response.end('ok')
  })
  const routes = async (app: import('fastify').FastifyInstance) => {
    await app.register(forward)
    app.forward({ method: 'GET', url: '/*', upstream: 'products', prefix: '' })
    app.get('/fails', async () => {
      throw new Error('inner')
    })
  }
  const { url } = await startGateway(t, {
    upstreams: { products: { url: service } },
    scopes: {
      secure: { prefix: '/secure', routes, securityHeaders: {} },
      own: { prefix: '/own', routes, securityHeaders: { hsts: 0, policy: { 'default-src': ["'self'"] } } },
      none: { prefix: '/none', routes }
    }
  })
  for (const path of ['/secure/', '/secure/fails']) {
    const { headers } = await call(url + path)
    t.equal(headers.get('x-content-type-options'), 'nosniff')
    t.equal(headers.get('content-security-policy'), "default-src 'none';frame-ancestors 'none'")
    t.equal(headers.get('strict-transport-security'), 'max-age=31536000')
    t.equal(headers.get('x-request-id') !== null, true)
  }
  t.equal((await call(`${url}/secure/own`)).headers.get('content-security-policy'), "default-src 'self'")
  const own = (await call(`${url}/own/`)).headers
  t.equal(own.get('strict-transport-security'), null)
  t.equal(own.get('content-security-policy'), "default-src 'self'")
  t.equal((await call(`${url}/none/`)).headers.get('x-content-type-options'), null)
})
