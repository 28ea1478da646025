import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import httpProxy from '@fastify/http-proxy'
import replyFrom from '@fastify/reply-from'
import Fastify, { type FastifyInstance } from 'fastify'
import { forward, problem, upstreams } from 'sluice'
import t from 'tap'
import { call, closedPort, type Ending, startService, startTcpService } from '../harness.ts'

t.test('forwards below a scope, with the path as the client wrote it', async t => {
  const seen: string[] = []
  const service = await startService(t, (request, response) => {
    seen.push(`${request.method} ${request.url}`)
    response.setHeader('content-type', 'application/json').end('{"id":1}')
  })
  const url = await startApp(t, service)
  const answer = await call(`${url}/api/orders/a%2Fb?q=%20x&q=y`)
  t.equal(answer.status, 200)
  t.same(answer.json, { id: 1 })
  t.same(seen, ['GET /orders/a%2Fb?q=%20x&q=y'])
})

t.test('streams bodies of every content type, while other routes keep their parsers', async t => {
  const service = await startService(t, async (request, response) => {
    const body = await text(request)
    response.setHeader('x-type', request.headers['content-type'] ?? 'none')
    response.end(`${request.headers['content-length'] ?? 'chunked'} ${body}`)
  })
  const url = await startApp(t, service, {
    before: app => app.post('/own', async ({ body }) => ({ body })),
    inScope: scope => scope.post('/own', async ({ body }) => ({ body }))
  })
  const types = [
    'application/json',
    'text/plain',
    'application/xml',
    'multipart/form-data; boundary=x',
    'a/b'
  ]
  for (const type of types) {
    const answer = await post(`${url}/api/orders`, type, '{"a')
    t.equal(answer.text, '3 {"a', type)
    t.equal(answer.headers.get('x-type'), type)
  }
  const streamed = { method: 'POST', body: new Blob(['abc']).stream(), duplex: 'half' } as RequestInit
  t.equal((await call(`${url}/api/orders`, streamed)).text, 'chunked abc')

  for (const own of [`${url}/own`, `${url}/api/orders/own`]) {
    t.same((await post(own, 'application/json', '{"a":1}')).json, { body: { a: 1 } })
    t.same((await post(own, 'text/plain', 'abc')).json, { body: 'abc' })
    t.equal((await post(own, 'application/xml', '<a/>')).status, 415)
  }
})

t.test('a body beyond the bodyLimit of the app is rejected with 413', async t => {
  const service = await startService(t, (request, response) =>
    request.resume().on('end', () => response.end())
  )
  const url = await startApp(t, service, { options: { bodyLimit: 4 } })
  t.equal((await post(`${url}/api/orders`, 'a/b', 'abcd')).status, 200)
  const known = await post(`${url}/api/orders`, 'a/b', 'abcde')
  t.match(known.json, {
    statusCode: 413,
    code: 'SLUICE_BODY_TOO_LARGE',
    message: 'The request body is too large'
  })
  const chunked = { method: 'POST', body: new Blob(['abcde']).stream(), duplex: 'half' } as RequestInit
  t.equal((await call(`${url}/api/orders`, chunked)).status, 413)
})

t.test('errors of failed calls go to the error handler of the app', async t => {
  const down = await closedPort()
  await t.test("Fastify's own", async t => {
    const url = await startApp(t, down, { breaker: { failures: 1 } })
    const failed = await call(`${url}/api/orders`)
    t.equal(failed.status, 502)
    t.match(failed.headers.get('content-type'), /^application\/json/)
    t.same(failed.json, {
      statusCode: 502,
      code: 'SLUICE_UPSTREAM_FAILED',
      error: 'Bad Gateway',
      message: 'The service failed to respond'
    })
    const rejected = await call(`${url}/api/orders`)
    t.match(rejected.json, { statusCode: 503, code: 'SLUICE_UPSTREAM_UNAVAILABLE' })
    t.match(rejected.headers.get('retry-after'), /^\d+$/)
  })
  await t.test("the user's", async t => {
    const url = await startApp(t, down, {
      before: app =>
        app.setErrorHandler<Error & { statusCode: number; code: string; headers: object }>(
          (error, _request, reply) =>
            reply.code(error.statusCode).send({ own: error.code, headers: error.headers })
        )
    })
    const failed = await call(`${url}/api/orders`)
    t.equal(failed.status, 502)
    t.same(failed.json, { own: 'SLUICE_UPSTREAM_FAILED' })
  })
  await t.test('problem', async t => {
    const url = await startApp(t, down, { before: app => app.register(problem) })
    const failed = await call(`${url}/api/orders`)
    t.equal(failed.headers.get('content-type'), 'application/problem+json')
    t.match(failed.json, { type: 'urn:sluice:upstream-failed', status: 502 })
  })
})

t.test('a response that fails leaves none of its headers on the error', async t => {
  const headers =
    'Set-Cookie: a=b\r\nCache-Control: max-age=60\r\nETag: "a"\r\nVary: x\r\nContent-Type: text/plain\r\n'
  const broken = await startTcpService(t, socket =>
    socket.end(`HTTP/1.1 200 OK\r\n${headers}Transfer-Encoding: chunked\r\n\r\nno chunk`)
  )
  const small = await startTcpService(t, socket =>
    socket.write(`HTTP/1.1 200 OK\r\n${headers}Content-Length: 2\r\n\r\nok`)
  )
  const streamed = await startTcpService(t, socket =>
    socket.write(`HTTP/1.1 200 OK\r\n${headers}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`)
  )
  const failOnSend = (scope: FastifyInstance) =>
    scope.addHook('onSend', async () => {
      throw new Error('the hook fails')
    })
  const cases = [
    ['a body that is invalid', broken, () => {}, 502],
    ['an onSend hook after a small body', small, failOnSend, 500],
    ['an onSend hook before a stream', streamed, failOnSend, 500]
  ] as const
  for (const [what, service, inScope, status] of cases)
    for (const handler of ['fastify', 'user', 'problem'] as const) {
      const url = await startApp(t, service, {
        before(app) {
          app.addHook('onRequest', async (_request, reply) => {
            reply.header('vary', 'own').header('x-own', '1')
          })
          if (handler === 'problem') return app.register(problem)
          if (handler === 'user')
            app.setErrorHandler<Error & { statusCode?: number }>((error, _request, reply) =>
              reply.code(error.statusCode ?? 500).send({ error: error.message })
            )
        },
        inScope
      })
      const answer = await call(`${url}/api/orders`)
      t.equal(answer.status, status, `${what}, ${handler}`)
      t.type(answer.json, 'object', `${what}, ${handler}`)
      for (const name of ['set-cookie', 'cache-control', 'etag'])
        t.equal(answer.headers.get(name), null, `${name}, ${what}, ${handler}`)
      t.equal(answer.headers.get('x-own'), '1')
    }
})

t.test('a client of HTTP/1.0 sees that a response is incomplete', async t => {
  const service = await startTcpService(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n')
    setTimeout(() => socket.destroy(), 50)
  })
  const url = await startApp(t, service)
  const { text, error } = await send(url, 'GET /api/orders HTTP/1.0\r\nHost: a\r\n\r\n')
  t.match(text, /part$/)
  t.equal(error, 'ECONNRESET')
})

t.test('a transfer coding that is not chunked is not passed on as content', async t => {
  let calls = 0
  const service = await startService(t, (_request, response) => {
    calls++
    response.end()
  })
  const url = await startApp(t, service)
  const body = '3\r\nabc\r\n0\r\n\r\n'
  const coded = await send(
    url,
    `POST /api/orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n${body}`
  )
  t.match(coded.text, /^HTTP\/1\.1 501 /)
  const old = await send(url, `POST /api/orders HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n${body}`)
  t.match(old.text, /^HTTP\/1\.1 400 /)
  t.equal(calls, 0)
})

t.test(
  'paths that a service could read differently are rejected, whatever the router makes of them',
  async t => {
    let calls = 0
    const service = await startService(t, (_request, response) => {
      calls++
      response.end()
    })
    const url = await startApp(t, service, {
      options: {
        routerOptions: { ignoreDuplicateSlashes: true, caseSensitive: false, ignoreTrailingSlash: true }
      }
    })
    const paths = [
      '/api/orders/../x',
      '/api/orders/%2e%2e/x',
      '//api/orders/x',
      '/API/orders/x',
      '/%61pi/orders/x',
      '/api/orders/a\\b'
    ]
    for (const path of [...paths, 'http://other/api/orders/x']) {
      const { text } = await send(url, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      t.match(text, /^HTTP\/1\.1 40[04] /, path)
    }
    t.equal(calls, 0)
  }
)

t.test(
  'works next to @fastify/http-proxy, and fails with a clear message if @fastify/reply-from conflicts',
  async t => {
    const service = await startService(t, (request, response) => response.end(request.url))
    const url = await startApp(t, service, {
      before: app => app.register(httpProxy, { upstream: service, prefix: '/other' })
    })
    t.equal((await call(`${url}/api/orders/1`)).text, '/orders/1')
    t.equal((await call(`${url}/other/1`)).text, '/1')
    await t.rejects(startApp(t, service, { before: app => app.register(replyFrom, { base: service }) }), {
      message: /^forward needs @fastify\/reply-from for itself/
    })
  }
)

t.test("passes on what fits of an app's own request.user", async t => {
  const service = await startService(t, ({ headers }, response) =>
    response.end(JSON.stringify(Object.entries(headers).filter(([name]) => name.startsWith('x-user-'))))
  )
  const users: [user: unknown, headers: string[][]][] = [
    [{ sub: 'ada', iat: 1 }, [['x-user-id', 'ada']]],
    [{ id: 7, roles: 'admin', permissions: {}, tier: 1, email: null }, []],
    ['ada', []],
    [
      { sub: 'ada', roles: ['a', 'b'], permissions: [] },
      [
        ['x-user-id', 'ada'],
        ['x-user-roles', 'a,b']
      ]
    ]
  ]
  for (const [user, headers] of users) {
    const url = await startApp(t, service, {
      before(app) {
        app.decorateRequest('user')
        app.addHook('onRequest', async request => {
          request.user = user as never
        })
      }
    })
    const answer = await call(`${url}/api/orders`, {
      headers: { 'x-user-id': 'forged', x_user_id: 'forged' }
    })
    t.same(answer.json ?? JSON.parse(answer.text), headers)
  }
})

t.test('forward may be registered on the app and again in a scope', async t => {
  const service = await startService(t, (request, response) => response.end(request.url))
  const url = await startApp(t, service, {
    before: app => void app.addHook('onReady', async () => {}),
    twice: true
  })
  t.equal((await call(`${url}/api/orders/1`)).text, '/orders/1')
})

t.test('forward reports missing upstreams and wrong options at start', async t => {
  const alone = Fastify()
  await t.rejects(async () => alone.register(forward), {
    message: 'forward needs upstreams: register upstreams before it, on this app or on a parent of this scope'
  })
  const wrong: [route: object, prefix: string, message: RegExp][] = [
    [
      { upstream: 'order' },
      '/api',
      /^GET \/api\/\*: no upstream is named 'order'; there are: orders, users; did you mean orders\?$/
    ],
    [{ prefix: undefined }, '/api', /^GET \/api\/\* \/prefix is missing/],
    [
      {},
      '/api/:tenant',
      /^GET \/api\/:tenant\/\* cannot be forwarded: the scope's prefix \/api\/:tenant must not have parameters$/
    ],
    [
      { edit: { request: { headers: { set: { 'X-User-Id': 'a' } } } } },
      '/api',
      /^GET \/api\/\* \/edit\/request\/headers/
    ]
  ]
  for (const [route, prefix, message] of wrong) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(upstreams, { upstreams: { orders: { url: 'http://a' }, users: { url: 'http://b' } } })
    await t.rejects(
      async () => {
        await app.register(
          async scope => {
            await scope.register(forward)
            scope.forward({ method: 'GET', url: '/*', upstream: 'orders', prefix: '', ...route })
          },
          { prefix }
        )
      },
      { message }
    )
  }
})

interface Setup {
  options?: object
  breaker?: { failures: number }
  before?: (app: FastifyInstance) => unknown
  inScope?: (scope: FastifyInstance) => unknown
  twice?: boolean
}

async function startApp(
  t: Ending,
  service: string,
  { options, breaker, before, inScope, twice }: Setup = {}
) {
  const app: FastifyInstance = Fastify(options)
  t.teardown(() => app.close())
  await app.register(upstreams, { upstreams: { orders: { url: service, ...(breaker && { breaker }) } } })
  await before?.(app)
  if (twice) await app.register(forward)
  await app.register(
    async scope => {
      await scope.register(forward)
      await inScope?.(scope)
      for (const url of ['/', '/*'])
        scope.forward({ method: ['GET', 'POST'], url, upstream: 'orders', prefix: '/orders' })
    },
    { prefix: '/api/orders' }
  )
  return app.listen({ port: 0, host: '127.0.0.1' })
}

function post(url: string, type: string, body: string) {
  return call(url, { method: 'POST', headers: { 'content-type': type }, body })
}

function send(url: string, message: string): Promise<{ text: string; error?: string }> {
  return new Promise(resolve => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    let text = ''
    let error: string | undefined
    socket.setEncoding('latin1').on('data', chunk => {
      text += chunk
    })
    socket.on('error', (thrown: NodeJS.ErrnoException) => {
      error = thrown.code
    })
    socket.on('close', () => resolve({ text, ...(error && { error }) }))
    socket.write(message)
  })
}
