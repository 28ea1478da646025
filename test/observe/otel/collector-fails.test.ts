import type { RequestListener } from 'node:http'
import { registerHooks } from 'node:module'
import Fastify from 'fastify'
import { metrics, otel } from 'sluice'
import t, { type Test } from 'tap'
import { listen } from '../../bare/app.ts'
import { call, closedPort, startService } from '../../harness.ts'
import { until } from '../../until.ts'
import { setEnvironment } from './environment.ts'

/** Starts an app with one route that exports to `endpoint`. Timeouts are long unless `variables` shorten them. */
async function start(
  t: Test,
  endpoint: string,
  variables: Record<string, string> = {},
  options: Parameters<typeof otel>[1] = {}
) {
  setEnvironment(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_TIMEOUT: '3600000',
    OTEL_BSP_EXPORT_TIMEOUT: '3600000',
    OTEL_BSP_SCHEDULE_DELAY: '10',
    ...variables
  })
  const entries: { msg: string; level: number; reason?: string }[] = []
  const app = Fastify({ logger: { stream: { write: line => void entries.push(JSON.parse(line)) } } })
  await app.register(metrics)
  await app.register(otel, options)
  app.get('/', async () => 'ok')
  const url = await listen(t, app)
  const logged = (message: RegExp) => entries.filter(({ msg }) => message.test(msg))
  return { app, spans: app.otel?.spans as never as Record<string, number>, logged, ask: () => call(url) }
}

/** Starts a collector that never responds. */
async function startHanging(t: Test) {
  const asked = Promise.withResolvers<void>()
  const url = await startService(t, () => asked.resolve())
  return { url, asked: asked.promise }
}

t.test('spans are dropped and counted while no collector listens, and requests do not wait', async t => {
  const { spans, ask, logged, app } = await start(t, await closedPort(), {
    OTEL_EXPORTER_OTLP_TIMEOUT: '100'
  })
  for (let i = 0; i < 3; i++) t.equal((await ask()).text, 'ok')
  await until(() => spans.failed === 3)
  for (let i = 0; i < 3; i++) t.equal((await ask()).text, 'ok')
  await until(() => spans.failed === 6)
  t.equal(spans.exported, 0)
  const [entry, ...others] = logged(/spans cannot be exported and are dropped/)
  t.match(entry, { level: 40, reason: String })
  t.same(others, [], 'logged once')
  t.match(await app.metrics?.metrics(), /sluice_otel_spans_total\{result="failed"\} 6/)
})

for (const [name, listener] of Object.entries({
  rejects: (request, response) => {
    request.resume()
    response.writeHead(400).end()
  },
  'is overloaded': (request, response) => {
    request.resume()
    response.writeHead(503, { 'retry-after': '60' }).end()
  },
  'closes connections': request => request.socket.destroy()
} satisfies Record<string, RequestListener>))
  t.test(`spans are dropped and counted while the collector ${name}`, async t => {
    let isWell = false
    const url = await startService(t, (request, response) => {
      if (isWell) request.resume().on('end', () => response.end('{}'))
      else (listener as RequestListener)(request, response)
    })
    const { spans, ask, logged } = await start(t, url, { OTEL_EXPORTER_OTLP_TIMEOUT: '100' })
    t.equal((await ask()).text, 'ok')
    await until(() => spans.failed === 1)
    t.equal(logged(/spans cannot be exported/).length, 1)
    isWell = true
    t.equal((await ask()).text, 'ok')
    await until(() => spans.exported === 1)
    t.equal(logged(/spans are exported again/).length, 1)
  })

t.test('metrics that no collector takes are logged once', async t => {
  const short = { OTEL_EXPORTER_OTLP_TIMEOUT: '100', OTEL_METRIC_EXPORT_INTERVAL: '100' }
  const { logged, ask } = await start(t, await closedPort(), short, { metrics: true })
  await until(() => logged(/metrics cannot be exported and are dropped/).length > 0)
  t.equal((await ask()).text, 'ok')
  t.equal(logged(/metrics cannot be exported/).length, 1)
})

t.test('spans beyond the queue are dropped while the collector hangs', async t => {
  const collector = await startHanging(t)
  const { spans, ask, app } = await start(t, collector.url, { OTEL_BSP_MAX_QUEUE_SIZE: '2' })
  await ask()
  await collector.asked
  for (let i = 0; i < 5; i++) t.equal((await ask()).text, 'ok')
  await until(() => spans.queueFull === 3)
  t.match(await app.metrics?.metrics(), /sluice_otel_spans_total\{result="queue-full"\} 3/)
})

t.test('the end of an app does not wait for a collector that hangs', async t => {
  const collector = await startHanging(t)
  const { ask, app, spans } = await start(t, collector.url)
  await ask()
  await collector.asked
  await ask()
  // Would take an hour by the timeouts of the export.
  await app.close()
  t.equal(spans.exported, 0)
})

t.test('the end of an app exports what is queued', async t => {
  let body = ''
  const url = await startService(t, async (request, response) => {
    for await (const chunk of request) body += chunk
    response.end('{}')
  })
  const { spans, ask, app } = await start(t, url, { OTEL_BSP_SCHEDULE_DELAY: '3600000' })
  await ask()
  await app.close()
  t.match(body, 'GET /')
  t.equal(spans.exported, 1)
})

const grpc = ['@opentelemetry/exporter-trace-otlp-grpc', '@opentelemetry/exporter-metrics-otlp-grpc']
for (const missing of [['@opentelemetry/sdk-trace'], ['@opentelemetry/resources', ...grpc]])
  t.test(`otel names all packages to install: ${missing}`, async t => {
    setEnvironment(t, { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })
    // Where no package is installed.
    const hooks = registerHooks({
      resolve: (specifier, context, next) =>
        next(specifier, missing.includes(specifier) ? { ...context, parentURL: 'file:///' } : context)
    })
    t.teardown(() => hooks.deregister())
    for (const overrides of [undefined, { otel: false as const }]) {
      const app = Fastify()
      t.teardown(() => app.close())
      if (overrides) app.decorate('overrides', overrides)
      await t.rejects(Promise.resolve(app.register(otel, { metrics: true })), {
        message: `otel needs ${missing.join(', ')}: npm install ${missing.join(' ')}`
      })
    }
  })

t.test('nothing is exported by an app without the plugin', async t => {
  const seen: string[] = []
  const url = await startService(t, ({ url = '' }, response) => {
    seen.push(url)
    response.end()
  })
  setEnvironment(t, { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_BSP_SCHEDULE_DELAY: '10' })
  const app = Fastify()
  await app.register(metrics)
  app.get('/', async ({ exchange }) => String(exchange.span))
  const own = await listen(t, app)
  t.equal((await call(own)).text, 'undefined')
  await app.close()
  t.same(seen, [])
})
