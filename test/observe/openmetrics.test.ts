import { request } from 'node:http'
import Fastify from 'fastify'
import { metrics } from 'sluice'
import t from 'tap'
import { Exemplars } from '../../observe/exemplars.ts'
import { listen } from '../bare/app.ts'
import { startCluster } from '../cluster/workers.ts'
import { call } from '../harness.ts'
import { promtool, startPrometheus } from '../prometheus.ts'
import { until } from '../until.ts'

const OPENMETRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8'
const TEXT = 'text/plain; version=0.0.4; charset=utf-8'
const BUCKETS = 'sluice_exchange_duration_seconds_bucket'

const scrapeConfigOf = (target: string) => ({
  global: { scrape_interval: '500ms', scrape_timeout: '500ms' },
  scrape_configs: [{ job_name: 'sluice', static_configs: [{ targets: [new URL(target).host] }] }]
})

t.test('Prometheus reads OpenMetrics of all workers, and the traces of their exemplars', async t => {
  const { admin, workers } = await startCluster(t, 2, (request, response) => {
    setTimeout(() => response.end('ok'), request.url === '/things/slow' ? 300 : 0)
  })
  const [first, second] = workers
  const traceOf = (digit: string) => digit.repeat(32)
  const send = (url: string | undefined, digit: string, flags: string) =>
    call(`${url}`, { headers: { traceparent: `00-${traceOf(digit)}-${'1'.repeat(16)}-${flags}` } })
  await send(`${first?.url}/things/slow`, 'a', '01')
  await send(`${second?.url}/things/fast`, 'b', '03')
  await send(`${second?.url}/things/unsampled`, 'c', '00')

  const { query, exemplars, targets } = await startPrometheus(t, scrapeConfigOf(admin))
  await until(async () => (await query('up == 1')).length === 1)
  t.match(await targets(), [{ health: 'up', lastError: '' }])
  const found = await exemplars(BUCKETS)
  t.same(found.map(({ labels }) => labels.trace_id).sort(), [traceOf('a'), traceOf('b')])
  const slow = found.find(({ labels }) => labels.trace_id === traceOf('a'))
  t.ok(Number(slow?.value) > 0.3, 'seconds')
  t.ok(Math.abs((slow?.timestamp ?? 0) - Date.now() / 1_000) < 60, 'epoch seconds')
  t.match(await query('sum(sluice_exchange_duration_seconds_count)'), [{ value: [Number, '3'] }])
  t.match(await query('sum(sluice_endpoint_calls_total)'), [{ value: [Number, '3'] }])

  // Its last counts stay, and so do their exemplars.
  await second?.end()
  const { text } = await call(`${admin}/metrics`, { headers: { accept: OPENMETRICS } })
  t.match(text, new RegExp(`${BUCKETS}.* # {trace_id="${traceOf('b')}"} `))
})

t.test('the text formats have the same series', async t => {
  const { admin, workers } = await startCluster(t, 2, (_request, response) => void response.end('ok'))
  for (const { url } of workers) await call(`${url}/things/1`)
  const text = await call(`${admin}/metrics`)
  const open = await call(`${admin}/metrics`, { headers: { accept: OPENMETRICS } })
  t.equal(text.headers.get('content-type'), TEXT)
  t.equal(open.headers.get('content-type'), OPENMETRICS)
  t.ok(open.text.endsWith('\n# EOF\n'))
  t.match(open.text, /^# TYPE sluice_limit_decisions counter$/m)
  const seriesOf = (text: string) =>
    [...text.matchAll(/^(sluice_\w+(?:\{.*?\})?) \S+(?: # .*)?$/gm)].map(([, series]) => series).sort()
  t.ok(seriesOf(text.text).length > 60)
  t.same(seriesOf(open.text), seriesOf(text.text))
  t.notMatch(text.text, 'trace_id')
})

t.test('promtool finds no fault in the names and types of the gateway', async t => {
  const { admin, workers } = await startCluster(t, 1, (_request, response) => void response.end('ok'))
  for (const { url } of workers) await call(`${url}/things/1`)
  const { text } = await call(`${admin}/metrics`)
  const { output } = promtool(['check', 'metrics'], text)
  // prom-client names some gauges of Node `nodejs_…_total`.
  const own = output.split('\n').filter(line => line !== '' && !/^nodejs_\w+_total non-counter/.test(line))
  t.same(own, [])
  const renamed = text.replaceAll('sluice_retries_total', 'sluice_retries')
  t.match(promtool(['check', 'metrics'], renamed).output, 'sluice_retries')
})

t.test('the route of the plugin negotiates the format', async t => {
  const app = Fastify()
  await app.register(metrics, { path: '/metrics' })
  app.get('/', async () => 'ok')
  const url = await listen(t, app)
  const { headers } = await call(`${url}/`)
  t.ok(headers.get('x-request-id'))
  const formatOf = async (accept?: string) => {
    const asked = request(`${url}/metrics`, { ...(accept && { headers: { accept } }) }).end()
    const [response] = await new Promise<[{ headers: Record<string, string>; resume(): void }]>(resolve =>
      asked.once('response', (...args) => resolve(args as never))
    )
    response.resume()
    t.equal(response.headers.vary, 'accept')
    return response.headers['content-type']
  }
  t.equal(await formatOf(), TEXT)
  t.equal(await formatOf('*/*'), TEXT)
  t.equal(await formatOf('application/openmetrics-text'), OPENMETRICS)
  t.equal(await formatOf('application/openmetrics-text;q=0'), TEXT)
  t.equal(await formatOf('application/openmetrics-text;version=1.0.0;q=0.5, text/plain;q=0.6'), TEXT)
  // Sent by Prometheus 2.42.
  const usual =
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'
  t.equal(await formatOf(usual), OPENMETRICS)

  const { text } = await call(`${url}/metrics`, { headers: { accept: usual } })
  t.match(
    text,
    /sluice_exchange_duration_seconds_bucket\{le=".*",route="\/",.*\} 1 # \{trace_id="[0-9a-f]{32}"\} /
  )
  // Aggregation over workers omits it.
  t.match(text, /^process_start_time_seconds /m)
  t.match((await call(`${url}/metrics`)).text, /^sluice_log_dropped_total 0$/m, 'counters keep their names')
})

t.test('a bucket takes one exemplar a second', t => {
  const exemplars = new Exemplars(2)
  t.ok(exemplars.isDue(0, 5), 'none yet')
  exemplars.set(0, 'a'.repeat(32), 0.1, 5)
  t.notOk(exemplars.isDue(0, 1_004))
  t.ok(exemplars.isDue(0, 1_005))
  t.ok(exemplars.isDue(1, 6), 'each bucket by itself')
  t.end()
})
