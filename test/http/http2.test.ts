import t from 'tap'
import forward from '../../plugins/forward.ts'
import { type Ending, startGateway, startService } from '../harness.ts'
import { exchange, read, startSession, tls } from '../http2.ts'

async function start(t: Ending) {
  const service = await startService(t, (request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', chunk => {
      body += chunk
    })
    request.on('end', () => response.end(`${request.url} ${body}`))
  })
  const routes = async (app: import('fastify').FastifyInstance) => {
    await app.register(forward)
    app.forward({ method: ['GET', 'POST'], url: '/*', upstream: 'echo', prefix: '' })
  }
  const { url } = await startGateway(t, {
    listen: { tls, http2: true },
    upstreams: { echo: { url: service } },
    scopes: { echo: { prefix: '/echo', routes } }
  })
  return startSession(t, url)
}

t.test('CONNECT over HTTP/2 gets 501, and the connection stays open', async t => {
  const session = await start(t)
  const stream = session.request({ ':method': 'CONNECT', ':authority': 'example.com:443' })
  t.match(await read(stream), { status: 501, headers: { 'content-type': 'application/problem+json' } })
  t.equal((await exchange(session, { ':path': '/echo/1' })).status, 200)
})

t.test('an HTTP/2 client that waits for 100 Continue gets it, with and without a length', async t => {
  const session = await start(t)
  for (const length of [{ 'content-length': '5' }, {}]) {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/echo/1',
      expect: '100-continue',
      ...length
    })
    stream.once('continue', () => stream.end('hello'))
    t.match(await read(stream), { status: 200, body: Buffer.from('/1 hello') })
  }
})

t.test('requests that are invalid in HTTP/1.1 are rejected over HTTP/2', async t => {
  const session = await start(t)
  for (const [headers, status] of [
    [{ ':path': '/echo/a#/b' }, 400],
    [{ ':path': '/echo/a\\b' }, 400],
    [{ ':path': '/echo/a', ':authority': 'a,b' }, 400],
    [{ ':path': '/echo/a', expect: 'wonders' }, 417],
    [{ ':path': '/echo/a?b\\c' }, 200]
  ] as const)
    t.equal((await exchange(session, headers)).status, status, JSON.stringify(headers))
})
