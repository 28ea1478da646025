import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import Fastify from 'fastify'
import { forward, problem, serverOptions, strictHttp, upstreams } from 'sluice'
import t from 'tap'
import { call, startService } from '../harness.ts'
import { listen } from './app.ts'

const send = (url: string, lines: string[]) => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  return text(socket)
}

t.test('strictHttp rejects ambiguous requests in a bare app with serverOptions()', async t => {
  for (const withProblem of [false, true]) {
    const app = Fastify(serverOptions())
    if (withProblem) await app.register(problem)
    await app.register(strictHttp)
    app.get('/', async () => 'hello')
    const url = await listen(t, app)
    t.equal((await call(url)).status, 200)
    const twoHosts = await send(url, ['GET / HTTP/1.1', 'Host: a', 'Host: b'])
    t.match(twoHosts, /^HTTP\/1.1 400 /)
    t.match(twoHosts, withProblem ? 'urn:sluice:bad-host' : 'SLUICE_BAD_HOST')
    t.match(twoHosts, /connection: close/i)
    t.match(await send(url, ['GET / HTTP/1.1', 'Host: a', 'Content-Length: 1']), /^HTTP\/1.1 400 /)
    const many = Array.from({ length: 200 }, (_, i) => `X-${i}: 1`)
    t.match(await send(url, ['GET / HTTP/1.1', 'Host: a', ...many]), /^HTTP\/1.1 431 /)
  }
})

t.test('strictHttp rejects an app that was created without serverOptions()', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(Promise.resolve(app.register(strictHttp)), { message: /serverOptions\(\)/ })
})

t.test(
  'a request that expects 100 Continue is handled once, however many scopes register strictHttp',
  async t => {
    const app = Fastify(serverOptions())
    let handled = 0
    for (const prefix of ['/a', '/b'])
      await app.register(
        async scope => {
          await scope.register(strictHttp)
          scope.post('/', async ({ body }) => ({ body, handled: ++handled }))
        },
        { prefix }
      )
    const url = await listen(t, app)
    const lines = [
      'POST /a HTTP/1.1',
      'Host: a',
      'Connection: close',
      'Expect: 100-continue',
      'Content-Type: text/plain',
      'Content-Length: 4'
    ]
    const answer = await send(url, [...lines, '', 'body'])
    t.equal(answer.match(/^HTTP\/1.1 100 /gm)?.length, 1)
    t.match(answer, '{"body":"body","handled":1}')
    t.equal(handled, 1)
  }
)

t.test(
  'each scope with strictHttp rejects paths that a service could read as those of its other routes',
  async t => {
    let calls = 0
    const service = await startService(t, (_request, response) => {
      calls++
      response.end()
    })
    const app = Fastify(serverOptions())
    await app.register(upstreams, { upstreams: { orders: { url: service } } })
    for (const prefix of ['/a', '/b'])
      await app.register(
        async scope => {
          await scope.register(strictHttp)
          await scope.register(forward)
          for (const url of ['/*', '/admin/*'])
            scope.forward({ method: 'GET', url, upstream: 'orders', prefix: '' })
        },
        { prefix }
      )
    const url = await listen(t, app)
    for (const path of ['/a//admin/x', '/b//admin/x', '/b/admin%2fx']) {
      const answer = await call(url + path)
      t.match(answer, { status: 400, json: { code: 'SLUICE_UNSAFE_PATH' } }, path)
    }
    t.equal(calls, 0)
    t.equal((await call(`${url}/b/orders/x`)).status, 200)
  }
)
