import { once } from 'node:events'
import { connect, type OutgoingHttpHeaders } from 'node:http2'
import { request as httpsRequest } from 'node:https'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { Agent } from 'undici'
import forward from '../../plugins/forward.ts'
import type { UpstreamOptions } from '../../schemas/options/upstreams.ts'
import { closedPort, type Ending, startGateway, startService } from '../harness.ts'
import { ca, exchange, read, startSession, tls } from '../http2.ts'
import { until } from '../until.ts'

async function routes(app: import('fastify').FastifyInstance) {
  await app.register(forward)
  app.forward({ method: ['GET', 'POST'], url: '/*', upstream: 'products', prefix: '' })
}

function start(t: Ending, url: string, options: Partial<UpstreamOptions> = {}, deadline = 10_000) {
  return startGateway(t, {
    listen: { tls, http2: true },
    deadline,
    bodyLimit: 10_000_000,
    upstreams: { products: { url, ...options } },
    scopes: { echo: { prefix: '/echo', routes } }
  })
}

t.test('an HTTP/2 exchange is forwarded, and the service is told of it', async t => {
  const service = await startService(t, (request, response) => {
    response
      .setHeader('connection', 'keep-alive, x-hop')
      .setHeader('x-hop', '1')
      .setHeader('keep-alive', 'timeout=9')
    response
      .setHeader('content-type', 'application/json')
      .end(JSON.stringify({ url: request.url, ...request.headers }))
  })
  const { url } = await start(t, service)
  const session = await startSession(t, url)
  t.equal(session.alpnProtocol, 'h2')
  const { status, headers, body, code } = await exchange(session, {
    ':path': '/echo/a%2Fb?q=1',
    te: 'trailers'
  })
  t.equal(status, 200)
  t.equal(code, 0)
  t.match(headers, {
    'content-type': 'application/json',
    connection: undefined,
    'keep-alive': undefined,
    'x-hop': undefined
  })
  const seen = JSON.parse(body.toString())
  t.match(seen, {
    url: '/a%2Fb?q=1',
    via: '2.0 sluice',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': `localhost:${new URL(url).port}`,
    'x-forwarded-for': /127\.0\.0\.1|::1/
  })
  t.same(
    Object.keys(seen).filter(name => name.startsWith(':') || name === 'te' || name === 'transfer-encoding'),
    []
  )
})

t.test('the same listener serves HTTP/1.1, and other clients of HTTP/2', async t => {
  const service = await startService(t, (request, response) => response.end(request.headers.via))
  const { url } = await start(t, service)
  const origin = url.replace('127.0.0.1', 'localhost')
  for (const [allowH2, via] of [
    [false, '1.1 sluice'],
    [true, '2.0 sluice']
  ] as const) {
    const dispatcher = new Agent({ allowH2, connect: { ca } })
    t.teardown(() => dispatcher.close())
    const response = await fetch(`${origin}/echo/`, { dispatcher } as never)
    t.equal(await response.text(), via)
  }
})

t.test('a body of no type and no length is a body', async t => {
  const service = await startService(t, (request, response) => void request.pipe(response))
  const session = await startSession(t, (await start(t, service)).url)
  t.equal((await exchange(session, { ':path': '/echo/', ':method': 'POST' }, 'x')).body.toString(), 'x')
  const json = {
    ':path': '/echo/',
    ':method': 'POST',
    'content-type': 'application/json',
    'content-length': 2
  }
  t.equal((await exchange(session, json, '{}')).body.toString(), '{}')
})

t.test('bodies stream both ways, whatever their size', async t => {
  const service = await startService(t, (request, response) => void request.pipe(response))
  const session = await startSession(t, (await start(t, service)).url)
  const large = Buffer.alloc(4_000_000, 'sluice')
  const answer = await exchange(session, { ':path': '/echo/', ':method': 'POST' }, large)
  t.ok(answer.body.equals(large))
})

t.test('errors are problems', async t => {
  const session = await startSession(t, (await start(t, await closedPort())).url)
  const type = 'application/problem+json'
  t.match((await exchange(session, { ':path': '/nowhere' })).headers, {
    ':status': 404,
    'content-type': type
  })
  const { headers, body } = await exchange(session, { ':path': '/echo/' })
  t.match(headers, { ':status': 502, 'content-type': type })
  t.match(JSON.parse(body.toString()), { type: 'urn:sluice:upstream-failed', status: 502 })
  t.match((await exchange(session, { ':path': '/echo/', ':method': 'PUT' })).headers, {
    ':status': 405,
    allow: 'GET, HEAD, POST'
  })
})

t.test('a Host that differs from :authority is rejected', async t => {
  const session = await startSession(t, (await start(t, await closedPort())).url)
  const { status, body } = await exchange(session, {
    ':path': '/echo/',
    ':authority': 'localhost',
    host: 'other.example'
  })
  t.equal(status, 400)
  t.match(JSON.parse(body.toString()), { type: 'urn:sluice:ambiguous-host' })
})

t.test('an authority is a host with a port that there can be, and Host may leave out 443', async t => {
  const service = await startService(t, (_request, response) => response.end('ok'))
  const { url } = await start(t, service)
  const session = await startSession(t, url)
  for (const [authority, host, status] of [
    ['shop.example', undefined, 200],
    ['shop.example:443', 'shop.example', 200],
    ['Shop.example', 'shop.example:443', 200],
    ['shop.example:', 'shop.example', 200],
    ['shop.example', 'shop.example:444', 400],
    ['shop.example:80', 'shop.example', 400],
    ['shop.example:99999', undefined, 400],
    ['shop.example:65536', 'shop.example:65536', 400],
    ['[::1]:8443', undefined, 200],
    ['[1.2.3.4]', undefined, 400]
  ] as const) {
    const headers = { ':authority': authority, ':path': '/echo/', ...(host !== undefined && { host }) }
    t.equal((await exchange(session, headers)).status, status, `${authority} ${host ?? ''}`)
  }
})

t.test('a request gets 504 at its deadline', async t => {
  const service = await startService(t, () => {})
  const session = await startSession(t, (await start(t, service, {}, 200)).url)
  t.equal((await exchange(session, { ':path': '/echo/' })).status, 504)
})

t.test('a client that resets its stream cancels the upstream call', async t => {
  let closed = 0
  let started = 0
  const service = await startService(t, (_request, response) => {
    started++
    response.on('close', () => closed++)
  })
  const { url, gateway } = await start(t, service)
  const ends: unknown[] = []
  gateway.onExchangeEnd(({ isComplete, abortReason }) =>
    ends.push([isComplete, (abortReason as { code?: string })?.code])
  )
  const session = await startSession(t, url)
  const stream = session.request({ ':path': '/echo/' })
  stream.on('error', () => {})
  await until(() => started === 1)
  stream.close(8)
  await until(() => closed === 1 && ends.length === 1)
  t.same(ends, [[false, 'SLUICE_CLIENT_CLOSED_REQUEST']])
  t.match(gateway.upstream('products').state().breaker, { state: 'closed', failures: 0 })
})

t.test('an upload that is reset never looks whole to the service', async t => {
  let size = 0
  let isWhole: boolean | undefined
  const service = await startService(t, request => {
    request.on('data', chunk => {
      size += chunk.length
    })
    request.on('error', () => {})
    request.on('end', () => {
      isWhole = true
    })
    request.on('close', () => {
      isWhole ??= false
    })
  })
  const session = await startSession(t, (await start(t, service)).url)
  const stream = session.request({ ':path': '/echo/', ':method': 'POST' })
  stream.on('error', () => {})
  stream.write('half of it')
  await until(() => size > 0)
  // (node's close() would end it first.)
  stream.destroy(new Error('gone'))
  await until(() => isWhole !== undefined)
  t.equal(isWhole, false)
})

t.test('a response that breaks off resets the stream', async t => {
  const service = await startService(t, (_request, response) => {
    response.write('half', () => response.destroy())
  })
  const session = await startSession(t, (await start(t, service)).url)
  const { status, body, code } = await exchange(session, { ':path': '/echo/' })
  t.equal(status, 200)
  t.equal(body.toString(), 'half')
  t.equal(code, 2)
})

t.test('a response before the end of the upload ends the stream', async t => {
  const service = await startService(t, (request, response) => {
    request.once('data', () => response.writeHead(413).end())
  })
  const session = await startSession(t, (await start(t, service)).url)
  const stream = session.request({ ':path': '/echo/', ':method': 'POST' })
  stream.write('some of it')
  const { status, code } = await read(stream)
  t.equal(status, 413)
  t.equal(code, 0)
})

t.test('a stream is closed if its body is rejected or stops arriving', async t => {
  const { url } = await startGateway(t, {
    listen: { tls, http2: true },
    bodyLimit: 100_000,
    deadline: 2_000,
    scopes: { read: { prefix: '/read', routes: async app => void app.post('/', async () => 'read') } }
  })
  const session = await startSession(t, url)
  for (const [size, status, type] of [
    // More than the connection's window at once: what nobody reads must not hold up what comes next.
    [200_000, 413, 'application/json'],
    [200_000, 413, 'application/json'],
    [90_000, 415, 'text/plain'],
    [0, 408, 'application/json'],
    [90_000, 408, 'application/json']
  ] as const) {
    const stream = session.request(
      { ':path': '/read', ':method': 'POST', 'content-type': type },
      { endStream: false }
    )
    stream.write(Buffer.alloc(size, ' '))
    const answer = await read(stream)
    t.equal(answer.status, status, `${size} of ${type}`)
    t.equal(answer.code, 0)
  }
  const after = await exchange(
    session,
    { ':path': '/read', ':method': 'POST', 'content-type': 'application/json' },
    JSON.stringify('x'.repeat(90_000))
  )
  t.equal(after.body.toString(), 'read')
})

t.test('a slow reader holds up the service, not the memory of the gateway', async t => {
  let sent = 0
  const chunk = Buffer.alloc(65_536)
  const service = await startService(t, (_request, response) => {
    const fill = () => {
      while (response.write(chunk)) sent += chunk.length
      sent += chunk.length
    }
    response.on('drain', fill)
    fill()
  })
  const session = await startSession(t, (await start(t, service)).url)
  const stream = session.request({ ':path': '/echo/' })
  stream.on('error', () => {})
  await once(stream, 'response')
  stream.pause()
  let before = -1
  while (before !== sent) {
    before = sent
    await new Promise(resolve => setTimeout(resolve, 300))
  }
  t.ok(sent < 32 * 1_048_576, `${sent} bytes were taken from the service`)
  stream.close(8)
})

t.test('an exchange under way is finished while the gateway stops; no other begins', async t => {
  let answer: (() => void) | undefined
  const service = await startService(t, (_request, response) => {
    answer = () => response.end('late')
  })
  const { url, gateway } = await start(t, service)
  const session = await startSession(t, url)
  const idle = await startSession(t, url)
  const answered = exchange(session, { ':path': '/echo/' })
  await until(() => answer !== undefined)
  const goaway = once(session, 'goaway')
  const idleClosed = once(idle, 'close')
  const closed = gateway.close()
  t.equal((await goaway)[0], 0)
  await idleClosed
  answer?.()
  t.equal((await answered).body.toString(), 'late')
  await closed
})

t.test('a client that only opens and resets streams loses its connection', async t => {
  const service = await startService(t, (_request, response) => response.end())
  const session = await startSession(t, (await start(t, service)).url)
  const closed = new Promise(resolve => session.on('close', resolve))
  for (let i = 0; i < 5_000 && !session.destroyed; i++) {
    const stream = session.request({ ':path': '/echo/' })
    stream.on('error', () => {})
    stream.close(8)
    if (i % 50 === 0) await turn()
  }
  await closed
  t.ok(session.destroyed)
})

t.test('a request with too large headers is rejected, and its connection stays open', async t => {
  const service = await startService(t, (_request, response) => response.end('fine'))
  const session = await startSession(t, (await start(t, service)).url)
  const stream = session.request({
    ':path': '/echo/',
    ...Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`x-${i}`, 'x'.repeat(1_000)]))
  })
  const { code, status } = await read(stream)
  t.ok(code === 11 || status === 431, `${code} ${status}`)
  t.equal((await exchange(session, { ':path': '/echo/' })).body.toString(), 'fine')
})

t.test('heads may be as large, and as many fields, as the config says', async t => {
  let calls = 0
  const service = await startService(t, (_request, response) => {
    calls++
    response.end('fine')
  })
  const start = async (http: object) => {
    const { url } = await startGateway(t, {
      http,
      listen: { tls, http2: true },
      upstreams: { products: { url: service } },
      scopes: { echo: { prefix: '/echo', routes } }
    })
    // At once, before it has heard of any limit, and again when it has.
    const ask = async (headers: OutgoingHttpHeaders) => {
      const session = connect(url.replace('127.0.0.1', 'localhost'), {
        ca,
        maxSendHeaderBlockLength: 200_000
      })
      t.teardown(() => session.destroy())
      const known = once(session, 'remoteSettings')
      const first = await exchange(session, { ':path': '/echo/', ...headers })
      const [{ maxHeaderListSize }] = await known
      const second = await exchange(session, { ':path': '/echo/', ...headers })
      return { maxHeaderListSize, answers: [first, second].map(({ status, code }) => status || code) }
    }
    return ask
  }
  const fields = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`x-${i}`, 'x']))

  const narrow = await start({ maxHeaderSize: 2_000, maxHeadersCount: 20 })
  t.same(await narrow({ 'x-large': 'x'.repeat(1_500) }), { maxHeaderListSize: 2_000, answers: [200, 200] })
  t.equal(calls, 2)
  t.same((await narrow({ 'x-large': 'x'.repeat(3_000) })).answers, [431, 11])
  t.same((await narrow(fields(20))).answers, [11, 11])
  t.equal(calls, 2)
  const wide = await start({ maxHeaderSize: 100_000, maxHeadersCount: 200 })
  t.same((await wide({ 'x-large': 'x'.repeat(15_000), ...fields(150) })).answers, [200, 200])
  t.equal(calls, 4)
})

t.test('an HTTP/1.1 request that Node rejects gets a problem on an HTTP/2 listener too', async t => {
  const { url } = await start(t, await closedPort())
  const request = httpsRequest(`${url.replace('127.0.0.1', 'localhost')}/echo/`, {
    ca,
    headers: { 'x-large': 'x'.repeat(20_000) }
  })
  request.end()
  const [response] = await once(request, 'response')
  t.equal(response.statusCode, 431)
  t.equal(response.headers['content-type'], 'application/problem+json')
  response.resume()
})

t.test('Connection headers are dropped over HTTP/2, so that Node prints no warning', async t => {
  const warnings: Error[] = []
  const warned = (warning: Error) => void warnings.push(warning)
  process.on('warning', warned)
  t.teardown(() => process.off('warning', warned))
  const { url } = await start(t, await closedPort())
  const session = await startSession(t, url)
  const stream = session.request({ ':method': 'POST', ':path': '/echo/a' })
  stream.on('error', () => {}).write('not all of it')
  const [headers] = await once(stream, 'response')
  stream.close()
  t.match(headers, { ':status': 502, connection: undefined })
  await turn()
  t.strictSame(warnings, [])
})
