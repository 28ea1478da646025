import t from 'tap'
import { call } from '../harness.ts'
import { startCollector } from '../observe/otel/collector.ts'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'

t.test('workers that a reload ends have exported all of their spans', async t => {
  const collector = await startCollector(t)
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector.http}`,
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    // Only the end of a worker exports.
    OTEL_BSP_SCHEDULE_DELAY: '3600000'
  }
  const server = await startServer(t, { config: configOf(1, 'otel: {},'), env })
  for (let i = 0; i < 20; i++) await call(`${server.url}/api/edition`)
  t.equal(collector.spans.length, 0)
  t.equal((await server.reload()).outcome, 'done')
  await until(() => collector.spans.length === 20)
  t.match(collector.resource, { 'deployment.environment.name': 'test', 'service.name': 'sluice' })

  server.child.kill('SIGTERM')
  await until(() => server.child.exitCode !== null)
  t.equal(server.child.exitCode, 0)
})

t.test('the counts of spans of all workers are at /metrics', async t => {
  const collector = await startCollector(t)
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector.http}`, OTEL_BSP_SCHEDULE_DELAY: '10' }
  const server = await startServer(t, { config: configOf(1, 'otel: {},'), env })
  for (let i = 0; i < 20; i++) await call(`${server.url}/api/edition`)
  await until(async () =>
    (await call(`${server.admin}/metrics`)).text.includes('sluice_otel_spans_total{result="exported"} 20')
  )
})
