import { connect } from 'node:net'
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

t.test('a refused call does not cost the client its connection', async t => {
  const { url } = await startGateway(t, {
    upstreams: { products: { url: await closedPort(), breaker: { failures: 1 } } },
    scopes: { products: { prefix: '/products', routes: products } }
  })
  t.equal((await call(`${url}/products`)).status, 502)
  const refused = await call(`${url}/products`)
  t.equal(refused.status, 503)
  t.equal(refused.headers.get('connection'), 'keep-alive')
})

t.test('an octet above 7F in a header stays one beside a small text', async t => {
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
