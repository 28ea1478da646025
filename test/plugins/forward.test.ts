import { connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import forward from '../../plugins/forward.ts'
import { products } from '../../routes/products.ts'
import { call, closedPort, startGateway, startService, startTcpService } from '../harness.ts'

t.test('an exchange is forwarded with its path and query as the client wrote them', async t => {
  const seen: string[] = []
  const service = await startService(t, (request, response) => {
    seen.push(`${request.method} ${request.url}`)
    response.setHeader('content-type', 'application/json').end('{"id":1}')
  })
  const { url } = await startGateway(t, {
    upstreams: { products: { url: service } },
    scopes: { products: { prefix: '/api/v1/products', routes: products } }
  })
  const answer = await call(`${url}/api/v1/products/a%2Fb?q=%20x&q=y`)
  t.equal(answer.status, 200)
  t.same(answer.json, { id: 1 })
  t.same(seen, ['GET /products/a%2Fb?q=%20x&q=y'])
})

t.test('a scope may have thousands of forwarding routes', async t => {
  const service = await startService(t, (request, response) => response.end(request.url))
  const { url } = await startGateway(t, {
    upstreams: { products: { url: service } },
    scopes: {
      many: {
        prefix: '/many',
        routes: async app => {
          await app.register(forward)
          for (let i = 0; i < 5_000; i++)
            app.forward({ method: 'GET', url: `/${i}/:id`, upstream: 'products', prefix: '' })
        }
      }
    }
  })
  t.equal((await call(`${url}/many/4999/x`)).text, '/4999/x')
})

t.test("a rejected call leaves the client's connection open", async t => {
  const { url } = await startGateway(t, {
    upstreams: { products: { url: await closedPort(), breaker: { failures: 1 } } },
    scopes: { products: { prefix: '/products', routes: products } }
  })
  t.equal((await call(`${url}/products`)).status, 502)
  const refused = await call(`${url}/products`)
  t.equal(refused.status, 503)
  t.equal(refused.headers.get('connection'), 'keep-alive')
})

t.test('a header byte above 7F stays one byte next to a small text body', async t => {
  const service = await startTcpService(t, socket =>
    socket.write(
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nX-Case: \xab\r\n\r\nok',
      'latin1'
    )
  )
  const { url } = await startGateway(t, {
    upstreams: { products: { url: service } },
    scopes: { products: { prefix: '/products', routes: products } }
  })
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write('GET /products HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n')
  let answer = ''
  for await (const chunk of socket) answer += chunk.toString('latin1')
  t.match(answer, /\r\nx-case: \xab\r\n/i)
})

t.test('a response that fails before its first byte leaves none of its headers on the 502', async t => {
  const service = await startTcpService(t, socket =>
    socket.end(
      'HTTP/1.1 404 x\r\nSet-Cookie: a=b\r\nCache-Control: max-age=60\r\nETag: "a"\r\nVary: x\r\nX-Case: \xff\r\n' +
        'Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nno chunk',
      'latin1'
    )
  )
  const { url } = await startGateway(t, {
    upstreams: { products: { url: service } },
    scopes: {
      products: { prefix: '/products', routes: products, cors: { origins: ['https://shop.example'] } }
    }
  })
  const answer = await call(`${url}/products`, { headers: { origin: 'https://shop.example' } })
  t.equal(answer.status, 502)
  t.equal(answer.headers.get('content-type'), 'application/problem+json')
  for (const name of ['set-cookie', 'cache-control', 'etag', 'x-case'])
    t.equal(answer.headers.get(name), null, name)
  t.match(answer.headers.get('x-request-id'), /./)
  t.equal(answer.headers.get('access-control-allow-origin'), 'https://shop.example')
  t.equal(answer.headers.get('vary'), 'Origin')
})

t.test('a prefix with which no request could be sent is a fault of the config', async t => {
  const service = await startService(t, (_request, response) => response.end())
  const bad = [
    undefined,
    null,
    5,
    'orders',
    'orders/',
    '?a',
    '/a?b',
    '/a#b',
    '/a b',
    '/a/../b',
    '/%2e%2e',
    '/é'
  ]
  for (const prefix of bad)
    for (const method of ['forward', 'websocket'] as const) {
      const routes = async (app: FastifyInstance) => {
        await app.register(forward)
        app[method]({ method: 'GET', url: '/*', upstream: 'orders', prefix: prefix as never })
      }
      const config = { upstreams: { orders: { url: service } }, scopes: { x: { prefix: '/x', routes } } }
      await t.rejects(
        startGateway(t, config),
        { name: 'ConfigError', message: /^GET \/x\/\* \/prefix (is missing|must begin)/ },
        `${method} ${prefix}`
      )
    }
})

t.test('without anything behind the prefixes the service is asked for its root', async t => {
  const asked: unknown[] = []
  const service = await startService(t, (request, response) => {
    asked.push(request.url)
    response.end()
  })
  const routes = async (app: FastifyInstance) => {
    await app.register(forward)
    app.forward({ method: 'GET', url: '/', upstream: 'orders', prefix: '' })
  }
  for (const base of ['', '/base']) {
    const { url } = await startGateway(t, {
      upstreams: { orders: { url: service + base } },
      scopes: { x: { prefix: '/x', routes } }
    })
    for (const path of ['/x', '/x?a=b', '/x/']) t.equal((await fetch(url + path)).status, 200, path)
  }
  t.same(asked, ['/', '/?a=b', '/', '/base', '/base?a=b', '/base/'])
})
