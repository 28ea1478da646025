import { join } from 'node:path'
import Fastify from 'fastify'
import { otel } from 'sluice'
import t from 'tap'
import { listen } from '../../bare/app.ts'
import { call, startService } from '../../harness.ts'
import { setEnvironment } from './environment.ts'

t.test('headers for the collector may be in a file', async t => {
  const seen: unknown[] = []
  const url = await startService(t, (request, response) => {
    seen.push([request.url, request.headers['api-key']])
    request.resume().on('end', () => response.end('{}'))
  })
  const folder = t.testdir({ all: 'api-key=of-all\n', metrics: 'api-key=of-metrics\n' })
  setEnvironment(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_HEADERS: '',
    OTEL_EXPORTER_OTLP_HEADERS_FILE: join(folder, 'all'),
    OTEL_EXPORTER_OTLP_METRICS_HEADERS: '',
    OTEL_EXPORTER_OTLP_METRICS_HEADERS_FILE: join(folder, 'metrics')
  })
  // The second app of a process too.
  for (const _ of [1, 2]) {
    const app = Fastify()
    await app.register(otel, { metrics: true })
    app.get('/', async () => 'ok')
    await call(await listen(t, app))
    await app.close()
  }
  const expected = [
    ['/v1/metrics', 'of-metrics'],
    ['/v1/traces', 'of-all']
  ]
  t.same(seen.sort(), [expected[0], expected[0], expected[1], expected[1]])
})

t.test('a file that cannot be read is an error that names the variable only', async t => {
  setEnvironment(t, { OTEL_EXPORTER_OTLP_TRACES_HEADERS_FILE: 'api-key=hunter2' })
  for (const overrides of [undefined, { otel: false as const }]) {
    const app = Fastify()
    t.teardown(() => app.close())
    // As `sluice check` registers it.
    if (overrides) app.decorate('overrides', overrides)
    await t.rejects(Promise.resolve(app.register(otel)), {
      message: 'otel: OTEL_EXPORTER_OTLP_TRACES_HEADERS_FILE names a file that does not exist'
    })
  }
})
