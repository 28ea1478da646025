import Fastify, { type FastifyInstance } from 'fastify'
import { accessLog, forward, metrics, otel, problem, serverOptions, upstreams } from 'sluice'
import t, { type Test } from 'tap'
import { call, closedPort, startService } from '../harness.ts'
import { startCollector } from '../observe/otel/collector.ts'
import { exportTo, setEnvironment } from '../observe/otel/environment.ts'
import { until } from '../until.ts'
import { listen } from './app.ts'

const trace = '0af7651916cd43dd8448eb211c80319c'
const sampled = { traceparent: `00-${trace}-b7ad6b7169203331-01` }
const unsampled = { traceparent: `00-${trace}-b7ad6b7169203331-00` }

async function start(t: Test, options: Parameters<typeof otel>[1] = {}) {
  const collector = await startCollector(t)
  exportTo(t, collector, 'http/protobuf')
  const app = Fastify()
  await app.register(otel, options)
  return { app, collector, ended: (count: number) => until(() => collector.spans.length === count) }
}

t.test('otel sends a span for each request of a bare app', async t => {
  const { app, collector, ended } = await start(t)
  app.get('/users/:id', async () => 'ada')
  app.get('/fails', async () => {
    throw new Error('secret reason')
  })
  const url = await listen(t, app)
  await call(`${url}/users/secret-free?token=secret`)
  await call(`${url}/fails`)
  await call(`${url}/nowhere`)
  await ended(3)
  const of = (name: string) => collector.spans.find(span => span.name === name)
  t.match(of('GET /users/:id'), {
    kind: 'SERVER',
    isError: false,
    parentSpanId: '',
    attributes: {
      'http.route': '/users/:id',
      'http.response.status_code': 200,
      'url.path': '/users/secret-free',
      'url.query': 'token=[redacted]',
      'sluice.consumer': undefined,
      'client.address': undefined,
      'server.address': undefined
    }
  })
  t.match(of('GET /fails'), {
    isError: true,
    attributes: { 'http.response.status_code': 500, 'error.type': 'gateway-error' }
  })
  t.match(of('GET'), {
    isError: false,
    attributes: {
      'http.route': undefined,
      'http.response.status_code': 404,
      'url.path': '/nowhere',
      'sluice.cause': 'no-route',
      'error.type': undefined
    }
  })
  t.notMatch(JSON.stringify(collector.spans.map(({ attributes }) => attributes)), 'secret reason')
})

t.test('a plugin adds to the span of a request and starts children', async t => {
  const { app, collector, ended } = await start(t)
  app.get('/', async request => {
    request.span.setAttribute('shop.table', 7)
    const outer = request.startSpan('price')
    request.startSpan('currency', { attributes: { 'shop.currency': 'EUR' } }, outer).end()
    outer.end()
    return request.span.isRecording()
  })
  const url = await listen(t, app)
  t.equal((await call(url, { headers: sampled })).text, 'true')
  t.equal((await call(url, { headers: unsampled })).text, 'false')
  await ended(3)
  const [price, currency, server] = ['price', 'currency', 'GET /'].map(name =>
    collector.spans.find(span => span.name === name)
  )
  t.match(server, { kind: 'SERVER', traceId: trace, attributes: { 'shop.table': 7 } })
  t.match(price, { kind: 'INTERNAL', parentSpanId: server?.spanId })
  t.match(currency, { parentSpanId: price?.spanId, attributes: { 'shop.currency': 'EUR' } })
})

t.test('services get a new parent for each call, also of a trace that is not sampled', async t => {
  const { app, collector, ended } = await start(t)
  const service = await startService(t, ({ headers }, response) => {
    const { traceparent, tracestate, baggage } = headers
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ traceparent, tracestate, baggage }))
  })
  await app.register(upstreams, { upstreams: { echo: { url: `${service}/base` } } })
  await app.register(forward)
  app.forward({ method: 'GET', url: '/', upstream: 'echo', prefix: '' })
  app.forward({ method: 'GET', url: '/reset/:token', upstream: 'echo', prefix: '/reset/:token' })
  const url = await listen(t, app)
  const more = { tracestate: 'a=1', baggage: 'tenant=evil' }
  const first = (await call(url, { headers: { ...sampled, ...more } })).json
  t.match(first.traceparent, new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`))
  t.same([first.tracestate, first.baggage], ['a=1', undefined])
  const second = (await call(url, { headers: unsampled })).json
  t.match(second.traceparent, new RegExp(`^00-${trace}-(?!b7ad6b7169203331)[0-9a-f]{16}-00$`))
  t.match((await call(url)).json.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-03$/)
  await call(`${url}/reset/sesame?page=1`)
  await ended(6)
  const clients = collector.spans.filter(({ kind }) => kind === 'CLIENT')
  t.equal(clients.length, 3)
  t.ok(clients.some(({ spanId }) => spanId === first.traceparent.slice(36, 52)))
  t.equal(clients[0]?.attributes['url.full'], `${service}/base/`)
  t.notMatch(JSON.stringify(collector.spans.map(({ attributes }) => attributes)), 'sesame')
})

t.test('a failed call has the cause, and personal data only by option', async t => {
  const { app, collector, ended } = await start(t, {
    consumer: true,
    clientAddress: true,
    serverAddress: true
  })
  await app.register(problem)
  await app.register(upstreams, { upstreams: { gone: { url: await closedPort() } } })
  app.decorateRequest('user')
  app.addHook('onRequest', async request => {
    Object.assign(request, { user: { sub: 'ada' } })
  })
  await app.register(forward)
  app.forward({ method: 'GET', url: '/', upstream: 'gone', prefix: '' })
  const url = await listen(t, app)
  t.equal((await call(url)).status, 502)
  await ended(3)
  const clients = collector.spans.filter(({ kind }) => kind === 'CLIENT')
  for (const client of clients)
    t.match(client, { isError: true, attributes: { 'error.type': 'connection-refused' } })
  t.same(clients.map(({ attributes }) => attributes['http.request.resend_count']).sort(), [1, undefined])
  t.match(
    collector.spans.find(({ kind }) => kind === 'SERVER'),
    {
      isError: true,
      attributes: {
        'error.type': 'connection-refused',
        'sluice.consumer': 'ada',
        'client.address': '127.0.0.1',
        'server.address': '127.0.0.1',
        'server.port': Number(new URL(url).port)
      }
    }
  )
})

t.test('log entries have the ids of trace and span', async t => {
  const entries: Record<string, string>[] = []
  const collector = await startCollector(t)
  exportTo(t, collector, 'http/protobuf')
  const stream = { write: (line: string) => void entries.push(JSON.parse(line)) }
  const app = Fastify({ ...serverOptions(), logger: { stream } } as never) as unknown as FastifyInstance
  await app.register(otel)
  await app.register(accessLog)
  app.get('/', async ({ log }) => log.info('handled'))
  await call(await listen(t, app), { headers: sampled })
  await until(() => collector.spans.length === 1)
  const { spanId } = collector.spans[0] ?? {}
  for (const msg of ['handled', 'exchange'])
    t.match(
      entries.find(entry => entry.msg === msg),
      { trace, span: spanId }
    )
})

t.test('otel samples by its option, unless the environment says otherwise', async t => {
  const { app, collector } = await start(t, { sample: 0 })
  app.get('/', async request => request.span.isRecording())
  const url = await listen(t, app)
  t.equal((await call(url)).text, 'false')
  t.equal((await call(url, { headers: sampled })).text, 'true')
  setEnvironment(t, { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' })
  const other = Fastify()
  await other.register(otel)
  other.get('/', async request => request.span.isRecording())
  t.equal((await call(await listen(t, other), { headers: sampled })).text, 'false')
  await until(() => collector.spans.length === 1)
})

t.test('OTEL_SDK_DISABLED turns spans off, but not request.startSpan', async t => {
  setEnvironment(t, { OTEL_SDK_DISABLED: 'true' })
  const app = Fastify()
  await app.register(otel)
  app.get('/', async request => {
    request.startSpan('price').end()
    return request.span.isRecording()
  })
  t.equal((await call(await listen(t, app))).text, 'false')
})

t.test('otel exports the metrics of the app by option', async t => {
  const collector = await startCollector(t)
  exportTo(t, collector, 'http/protobuf')
  setEnvironment(t, { OTEL_METRIC_EXPORT_INTERVAL: '100' })
  const app = Fastify()
  await app.register(metrics)
  await app.register(otel, { metrics: true })
  app.get('/', async () => 'ok')
  const url = await listen(t, app)
  await call(url)
  await until(() => collector.metrics.get('sluice_exchange_duration_seconds')?.histogram?.dataPoints?.length)
  const [point] = collector.metrics.get('sluice_exchange_duration_seconds')?.histogram?.dataPoints ?? []
  t.match(point, { count: '1', attributes: { route: '/', method: 'GET', status: '2xx' } })
  t.equal(point?.bucketCounts?.length, (point?.explicitBounds?.length ?? 0) + 1)
  t.equal(
    point?.bucketCounts?.reduce((sum, count) => sum + Number(count), 0),
    1
  )
  t.ok(collector.metrics.get('nodejs_eventloop_lag_seconds')?.gauge?.dataPoints?.[0])
  t.equal(collector.metrics.get('process_cpu_seconds_total')?.sum?.isMonotonic, true)
  t.match(collector.metrics.get('sluice_otel_spans_total')?.sum?.dataPoints, [
    { attributes: { result: 'exported' } }
  ])
})

t.test('otel says which settings are wrong', async t => {
  const rejects = async (options: object, variables: Record<string, string>, message: RegExp) => {
    await t.test(String(message), async t => {
      setEnvironment(t, variables)
      const app = Fastify()
      t.teardown(() => app.close())
      await t.rejects(Promise.resolve(app.register(otel, options)), { message })
    })
  }
  await rejects({ consumers: true }, {}, /otel: .*consumers is not known; did you mean consumer\?/)
  await rejects(
    {},
    { OTEL_EXPORTER_OTLP_PROTOCOL: 'zipkin' },
    /otel: OTEL_EXPORTER_OTLP_PROTOCOL is zipkin; it must be grpc, http\/protobuf, http\/json/
  )
  await rejects(
    {},
    { OTEL_TRACES_SAMPLER: 'some' },
    /otel: OTEL_TRACES_SAMPLER is some; it must be always_on/
  )
  await rejects(
    {},
    { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' },
    /otel: OTEL_TRACES_SAMPLER_ARG is 2; it must be a number from 0 to 1/
  )
})
