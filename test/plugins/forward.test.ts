import t from 'tap'
import { products } from '../../routes/products.ts'
import { call, startGateway, startService } from '../harness.ts'

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
