import Fastify from 'fastify'
import { exchange, forward, metrics, upstreams } from 'sluice'
import t from 'tap'
import { call, startService, startTcpService } from '../harness.ts'
import { until } from '../until.ts'
import { listen } from './app.ts'

t.test('completes its options and registers the exchange', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(upstreams, {
    upstreams: { orders: { url: 'http://127.0.0.1:1' }, users: { url: 'http://127.0.0.1:1' } }
  })
  t.ok(app.hasPlugin('sluice-exchange'))
  t.same(
    app.upstreams.map(({ name, bufferLimit }) => [name, bufferLimit]),
    [
      ['orders', 65_536],
      ['users', 65_536]
    ]
  )
  t.equal(app.upstream('orders').name, 'orders')
  t.throws(() => app.upstream('order'), {
    message: /^no upstream is named 'order'; .*; did you mean orders\?$/
  })
  t.throws(() => app.upstream('order', 'GET /x'), { message: /^GET \/x: no upstream is named 'order'/ })
  t.throws(() => app.upstream(undefined as never, 'GET /x'), {
    message: 'GET /x: upstream is missing; there are: orders, users'
  })
  await t.rejects(async () => app.register(upstreams, { upstreams: {} }), {
    message: 'upstreams is registered already: register it once, with all upstreams'
  })
})

t.test('says all faults of its options at once', async t => {
  const wrong = {
    upstreams: {
      Bad: { url: 'http://a' },
      a: { url: 'ftp://a', breaker: { trials: 1 }, mirror: { to: 'nope' } },
      b: {},
      c: { url: 'https://c', tls: { servername: '-' }, split: { to: { c: 1 } } }
    }
  }
  const error = await Fastify()
    .register(upstreams, wrong as never)
    .then(
      () => ({ code: '', message: '' }),
      (error: Error & { code: string }) => error
    )
  t.equal(error.code, 'SLUICE_INVALID_OPTIONS')
  const faults = [
    '/upstreams/Bad is not a name',
    '/upstreams/a/url must be a URL',
    '/upstreams/a/breaker/trials is not known',
    "/upstreams/a/mirror/to no upstream is named 'nope'",
    '/upstreams/b/url is missing',
    '/upstreams/c/tls/servername must be a host name',
    '/upstreams/c/split/to/c is the upstream itself'
  ]
  for (const fault of faults) t.ok(error.message.includes(fault), fault)
  await t.rejects(async () => Fastify().register(upstreams, {} as never), {
    message: 'upstreams: /upstreams is missing'
  })
})

t.test('the deadline of the exchange ends a call, and close() its connections', async t => {
  let isClosed = false
  const silent = await startTcpService(t, socket => {
    socket.on('close', () => {
      isClosed = true
    })
  })
  const app = Fastify()
  await app.register(exchange, { deadline: 100 })
  await app.register(upstreams, { upstreams: { orders: { url: silent } } })
  await app.register(forward)
  app.forward({ method: 'GET', url: '/', upstream: 'orders', prefix: '' })
  const answer = await call(await listen(t, app))
  t.match(answer.json, { statusCode: 504, code: 'SLUICE_DEADLINE_EXCEEDED' })
  await until(() => isClosed)
})

t.test('metrics know the upstreams, whichever is registered first', async t => {
  const service = await startService(t, (_request, response) => response.end())
  for (const order of ['metrics first', 'upstreams first']) {
    const app = Fastify()
    if (order === 'metrics first') await app.register(metrics)
    await app.register(upstreams, { upstreams: { orders: { url: service } } })
    if (order === 'upstreams first') await app.register(metrics)
    await app.register(forward)
    app.forward({ method: 'GET', url: '/', upstream: 'orders', prefix: '' })
    t.equal((await call(await listen(t, app))).status, 200)
    const text = (await app.metrics?.metrics()) ?? ''
    t.match(text, /sluice_upstream_duration_seconds_count\{upstream="orders",outcome="success"\} 1/, order)
    t.match(text, /sluice_breaker_state\{upstream="orders"\} 0/, order)
  }
})
