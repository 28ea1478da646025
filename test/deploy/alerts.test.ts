import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { anchorsOf } from '../docs/page-tables.ts'
import { promtool } from '../prometheus.ts'

const root = join(import.meta.dirname, '../..')
const file = join(root, 'deploy/prometheus/alerts.yml')
const { groups } = parse(readFileSync(file, 'utf8'))
const rules: { alert: string; labels: object; annotations: Record<string, string> }[] = groups.flatMap(
  (group: { rules: [] }) => group.rules
)

/** Samples, one a minute, in promtool's notation: `0+60x20` adds 60 in each of 20 minutes. */
interface Case {
  /** Series for which the alert is active after 20 minutes. */
  firing: Record<string, string>
  /** Series for which it is not. */
  quiet: Record<string, string>
  labels: Record<string, string>
  summary: string
}

const ONE = { job: 'sluice', instance: 'a' }
const series = (name: string, labels: Record<string, string>) =>
  `${name}{${Object.entries({ ...ONE, ...labels })
    .map(([label, value]) => `${label}="${value}"`)
    .join(',')}}`
const count = (status: string) => series('sluice_exchange_duration_seconds_count', { scope: 'shop', status })
const bucket = (le: string) => series('sluice_exchange_duration_seconds_bucket', { scope: 'shop', le })
const failures = (cause: string) =>
  series('sluice_exchange_failures_total', { scope: 'shop', upstream: 'orders', cause })
const orders = { upstream: 'orders' }
const a = { ...orders, endpoint: 'http://a' }
const b = { ...orders, endpoint: 'http://b' }

const cases: Record<string, Case> = {
  SluiceDown: {
    firing: { [series('up', {})]: '1 1 1 0x17' },
    quiet: { [series('up', {})]: '0 0 1x18', 'up{job="other",instance="b"}': '0x20' },
    labels: ONE,
    summary: 'The gateway a is down'
  },
  SluiceErrors: {
    firing: { [count('2xx')]: '0+90x20', [count('5xx')]: '0+10x20' },
    quiet: { [count('2xx')]: '0+960x20', [count('5xx')]: '0+40x20' },
    labels: { job: 'sluice', scope: 'shop' },
    summary: '10% of the requests of scope shop fail'
  },
  SluiceSlow: {
    firing: { [bucket('2.5')]: '0+98x20', [bucket('5')]: '0+100x20', [bucket('+Inf')]: '0+100x20' },
    quiet: { [bucket('2.5')]: '0+995x20', [bucket('5')]: '0+1000x20', [bucket('+Inf')]: '0+1000x20' },
    labels: { job: 'sluice', scope: 'shop' },
    summary: 'One in a hundred requests of scope shop takes 3.75s or longer'
  },
  SluiceBreakerOpen: {
    firing: { [series('sluice_breaker_state', orders)]: '0x10 2 1 2 1 2 1 2 1 2 1' },
    quiet: { [series('sluice_breaker_state', orders)]: '2x10 1 0x9' },
    labels: { ...ONE, ...orders },
    summary: 'The breaker of upstream orders is open'
  },
  SluiceNoHealthyEndpoint: {
    firing: {
      [series('sluice_endpoint_state', a)]: '0x10 2x10',
      [series('sluice_endpoint_state', b)]: '1x20'
    },
    quiet: { [series('sluice_endpoint_state', a)]: '0x20', [series('sluice_endpoint_state', b)]: '2x20' },
    labels: { ...ONE, ...orders },
    summary: 'No endpoint of upstream orders is healthy'
  },
  SluiceEndpointUnhealthy: {
    firing: { [series('sluice_endpoint_state', a)]: '0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0' },
    quiet: { [series('sluice_endpoint_state', a)]: '0x14 2 2 2 0x4' },
    labels: { ...ONE, ...a },
    summary: 'The endpoint http://a of upstream orders is ejected or unhealthy'
  },
  SluiceRetriesRejected: {
    firing: { [series('sluice_retries_rejected_total', orders)]: '0+5x20' },
    quiet: { [series('sluice_retries_rejected_total', orders)]: '7x20' },
    labels: { job: 'sluice', ...orders },
    summary: 'The retry budget of upstream orders is exhausted'
  },
  SluiceBulkheadFull: {
    firing: { [series('sluice_upstream_rejected_total', orders)]: '0+5x20' },
    quiet: { [series('sluice_upstream_rejected_total', orders)]: '7x20' },
    labels: { job: 'sluice', ...orders },
    summary: 'The bulkhead of upstream orders is full'
  },
  SluiceInvalidResponses: {
    firing: { [failures('invalid-response')]: '0+5x20' },
    quiet: { [failures('service-error')]: '0+5x20', [failures('invalid-response')]: '7x20' },
    labels: { job: 'sluice', ...orders },
    summary: 'Responses of upstream orders do not match their schema'
  },
  SluiceKeysUnavailable: {
    firing: { [failures('keys-unavailable')]: '0+5x20' },
    quiet: { [failures('token-missing')]: '0+5x20', [failures('keys-unavailable')]: '7x20' },
    labels: { job: 'sluice', scope: 'shop' },
    summary: 'Tokens of scope shop cannot be verified'
  },
  SluiceIssuerDown: {
    firing: { [series('sluice_issuer_up', { issuer: 'main' })]: '1x10 0x10' },
    quiet: { [series('sluice_issuer_up', { issuer: 'main' })]: '0x10 1x10' },
    labels: { ...ONE, issuer: 'main' },
    summary: 'The gateway a cannot fetch the keys of issuer main'
  },
  SluiceCertificateExpires: {
    // The tests begin at 0: 20 minutes and ten days, and 20 minutes and 15 days.
    firing: { [series('sluice_certificate_expiry_timestamp_seconds', { used_by: 'listener' })]: '865200x20' },
    quiet: { [series('sluice_certificate_expiry_timestamp_seconds', { used_by: 'listener' })]: '1297200x20' },
    labels: { ...ONE, used_by: 'listener' },
    summary: 'The certificate of listener expires in 10d 0h 0m 0s'
  },
  SluiceRedisDown: {
    firing: { [series('sluice_redis_up', {})]: '1x10 0x10' },
    quiet: { [series('sluice_redis_up', {})]: '0x10 1x10' },
    labels: ONE,
    summary: 'The gateway a does not reach Redis'
  },
  SluiceLimitsClosed: {
    firing: { [series('sluice_limit_decisions_total', { tier: 'free', decision: 'closed' })]: '0+1x20' },
    quiet: { [series('sluice_limit_decisions_total', { tier: 'free', decision: 'rejected' })]: '0+1x20' },
    labels: { job: 'sluice', tier: 'free' },
    summary: 'Requests of tier free are rejected because Redis is down'
  },
  SluiceOverloaded: {
    firing: { [series('sluice_overload_level', {})]: '0x10 1 2 3 3 3 3 2 2 1 1' },
    quiet: { [series('sluice_overload_level', {})]: '0x19 1' },
    labels: ONE,
    summary: 'The gateway a is overloaded'
  },
  SluiceNoWorkers: {
    firing: { [series('sluice_workers', { state: 'ready' })]: '2x10 0x10' },
    quiet: { [series('sluice_workers', { state: 'ready' })]: '1x20' },
    labels: ONE,
    summary: 'No worker of the gateway a accepts requests'
  },
  SluiceWorkerCrashes: {
    firing: { [series('sluice_worker_crashes_total', {})]: '0x14 1x6' },
    quiet: { [series('sluice_worker_crashes_total', {})]: '0 1x19' },
    labels: ONE,
    summary: 'Workers of the gateway a crash'
  },
  SluiceReloadFailed: {
    firing: { [series('sluice_last_reload_successful', {})]: '1x19 0' },
    quiet: { [series('sluice_last_reload_successful', {})]: '0x19 1' },
    labels: ONE,
    summary: 'The last reload of the gateway a failed'
  },
  SluiceLogDropped: {
    firing: { [series('sluice_log_dropped_total', {})]: '0+1x20' },
    quiet: { [series('sluice_log_dropped_total', {})]: '7x20' },
    labels: ONE,
    summary: 'The gateway a drops log entries'
  }
}

t.test('every alert fires when it should, and only then', t => {
  t.same(Object.keys(cases).sort(), rules.map(({ alert }) => alert).sort())
  for (const { alert, labels, annotations } of rules) {
    const { firing, quiet, ...expected } = cases[alert] as Case
    const { labels: own, summary } = expected
    const alerts = [{ exp_labels: { ...own, ...labels }, exp_annotations: { ...annotations, summary } }]
    t.match(check(alert, firing, alerts), { status: 0 }, `${alert} fires`)
    t.match(check(alert, quiet, []), { status: 0 }, `${alert} does not fire`)
  }
  t.end()

  function check(alert: string, input: Record<string, string>, exp_alerts: object[]) {
    const tests = {
      rule_files: [file],
      evaluation_interval: '1m',
      tests: [
        {
          interval: '1m',
          input_series: Object.entries(input).map(([series, values]) => ({ series, values })),
          alert_rule_test: [{ eval_time: '20m', alertname: alert, exp_alerts }]
        }
      ]
    }
    const path = join(t.testdir({ 'tests.yml': JSON.stringify(tests) }), 'tests.yml')
    return promtool(['test', 'rules', path])
  }
})

t.test('the runbook of every alert is a section of a page', t => {
  for (const { alert, annotations } of rules) {
    const { href, hash } = new URL(annotations.runbook_url ?? '')
    const [, path = ''] =
      /^https:\/\/github\.com\/sluice-gateway\/sluice\/blob\/main\/([^#]+)/.exec(href) ?? []
    const page = readFileSync(join(root, path), 'utf8')
    t.ok(anchorsOf(page).includes(hash.slice(1)), `${alert}: ${href}`)
    t.equal(hash, `#${alert.toLowerCase()}`)
  }
  t.end()
})

t.test('promtool accepts the rules and the example of a config', t => {
  t.match(promtool(['check', 'rules', file]), { status: 0 })
  t.match(promtool(['check', 'config', join(root, 'deploy/prometheus/prometheus.yml')]), { status: 0 })
  t.end()
})
