import t from 'tap'
import { call, closedPort, type Ending, startGateway, startService } from '../../harness.ts'
import { Client } from '../../http/raw-sockets.ts'

const HANDSHAKE =
  'GET /feed HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

const routes = async (app: import('fastify').FastifyInstance) => {
  app.websocket({ url: '/', upstream: 'feed', prefix: '/' })
  app.get('/late', async () => {
    await new Promise(resolve => setTimeout(resolve, 50))
    return 'late'
  })
}

function start(t: Ending, upstream: object, scope: object = { routes }) {
  return startGateway(t, {
    upstreams: { feed: upstream },
    scopes: { feed: { prefix: '/feed', ...scope } }
  } as never)
}

t.test(
  'a handshake ahead of the answer to another request ends the connection, and nothing else',
  async t => {
    const { url } = await start(t, { url: await closedPort() })
    const client = new Client(url)
    client.write(`GET /feed/late HTTP/1.1\r\nHost: localhost\r\n\r\n${HANDSHAKE}\r\n`, 'GET', 'GET')
    t.same(await client.responsesToEnd(), [])
    t.equal((await call(`${url}/feed/late`)).text, 'late', 'the gateway is still there')
  }
)

t.test('an open breaker rejects a handshake with 503, whatever its fallback', async t => {
  const { url } = await start(t, {
    url: await closedPort(),
    breaker: { failures: 1 },
    fallback: { body: {} }
  })
  t.match(await new Client(url).write(`${HANDSHAKE}\r\n`, 'GET').response(), { status: 502 })
  const refused = await new Client(url).write(`${HANDSHAKE}\r\n`, 'GET').response()
  t.match(refused, { status: 503 })
  t.notMatch(JSON.stringify(refused), 'sluice-fallback')
})

t.test('a handshake is not mirrored', async t => {
  const lines: string[] = []
  const mirror = await startService(t, (request, response) => {
    lines.push(`${request.method} ${request.url}`)
    response.end()
  })
  const { url, gateway } = await startGateway(t, {
    upstreams: { feed: { url: await closedPort(), mirror: { to: 'next' } }, next: { url: mirror } },
    scopes: { feed: { prefix: '/feed', routes } }
  })
  t.match(await new Client(url).write(`${HANDSHAKE}\r\n`, 'GET').response(), { status: 502 })
  t.match(gateway.upstream('feed' as never).state().mirror, { sent: 0, dropped: 0 })
  t.same(lines, [])
})

t.test('two versions may have a WebSocket at the same path', async t => {
  const seen: string[] = []
  const service = await startService(t, () => {})
  const of = (name: string) => async (app: import('fastify').FastifyInstance) => {
    app.addHook('onRequest', async () => void seen.push(name))
    await routes(app)
  }
  const versions = { v1: { routes: of('v1') }, v2: { routes: of('v2') } }
  const { url } = await start(t, { url: service }, { versions, version: { header: 'Accept-Version' } })
  for (const version of ['v1', 'v2'])
    t.match(
      await new Client(url)
        .write(`${HANDSHAKE}Accept-Version: ${version}\r\nOrigin: http://other\r\n\r\n`, 'GET')
        .response(),
      { status: 403 }
    )
  t.same(seen, ['v1', 'v2'])
})
