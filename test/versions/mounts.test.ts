import t from 'tap'
import { call, type Ending, startGateway } from '../harness.ts'
import { Client } from '../http/raw-sockets.ts'

const ORIGIN = 'https://app.example'

function start(t: Ending) {
  const of = (name: string) => async (app: import('fastify').FastifyInstance) => {
    app.get('/:id', async () => name)
  }
  return startGateway(t, {
    scopes: {
      orders: {
        prefix: '/api/{version}/orders',
        versions: { v1: { routes: of('v1') }, v2: { routes: of('v2') } },
        version: { header: 'Accept-Version', default: 'v2' },
        cors: { origins: [ORIGIN] }
      }
    }
  })
}

t.test('CORS works at every path of a version, also for unknown versions', async t => {
  const { url } = await start(t)
  const headers = { origin: ORIGIN, 'access-control-request-method': 'PUT' }
  for (const path of ['/api/orders', '/api/orders/1', '/api/v1/orders/1', '/api/v9/orders/1']) {
    const answer = await call(url + path, { method: 'OPTIONS', headers })
    t.equal(answer.status, 204, path)
    t.equal(answer.headers.get('access-control-allow-origin'), ORIGIN)
  }
  for (const [version, status] of [
    ['v1', 200],
    ['v2', 200],
    ['v9', 400]
  ] as const) {
    const answer = await call(`${url}/api/orders/1`, {
      headers: { origin: ORIGIN, 'accept-version': version }
    })
    t.equal(answer.status, status)
    t.equal(answer.headers.get('access-control-allow-origin'), ORIGIN)
    if (status === 200) t.equal(answer.text, version)
  }
})

t.test('an absolute target selects the same version as its path', async t => {
  const { url } = await start(t)
  for (const [header, version] of [
    ['', 'v2'],
    ['Accept-Version: 1\r\n', 'v1']
  ] as const) {
    const client = new Client(url)
    client.write(`GET http://localhost/api/orders/1 HTTP/1.1\r\nHost: localhost\r\n${header}\r\n`, 'GET')
    t.match(await client.response(), { status: 200, body: version })
    client.end()
  }
})
