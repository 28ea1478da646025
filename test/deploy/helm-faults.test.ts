import t from 'tap'
import { REQUIRED, renderChart } from './helm.ts'

const cases: [values: { image?: object; secrets?: object; [name: string]: unknown }, error: string][] = [
  [{ replicas: 'two' }, "at '/replicas': got string, want integer"],
  [{ replica: 2 }, "additional properties 'replica' not allowed"],
  [{ service: null }, "missing property 'service'"],
  [{ podLabels: { 'app.kubernetes.io/name': 'x' } }, 'podLabels.app.kubernetes.io/name is set by the chart'],
  [{ podAnnotations: { 'checksum/config': 'x' } }, 'podAnnotations.checksum/config is set by the chart'],
  [
    { serviceMonitor: { labels: { 'helm.sh/chart': 'x' } } },
    'serviceMonitor.labels.helm.sh/chart is set by the chart'
  ],
  [{ workers: 0 }, "at '/workers': minimum: got 0, want 1"],
  [{ image: { tag: 1 } }, "at '/image/tag': got number, want string"],
  [{ env: { 'log-level': 'warn' } }, "at '/env': additional properties 'log-level' not allowed"],
  [{ secrets: { REDIS_URL: { secret: 'redis' } } }, "at '/secrets/REDIS_URL': missing property 'key'"],
  [
    { secrets: { REDIS_URL_FILE: { secret: 'redis', key: 'url' } } },
    'secrets.REDIS_URL_FILE: name the variable without _FILE'
  ],
  [{ env: { PORT: 80 } }, 'env.PORT is set by the chart'],
  [{ env: { STRIPE_TOKEN: 'x' } }, 'env.STRIPE_TOKEN has the name of a secret: set secrets.STRIPE_TOKEN'],
  [{ env: { REDIS_URL: 'redis://:password@redis' } }, 'env.REDIS_URL has a URL with a password'],
  [{ env: { ADMIN_TOKEN_FILE: '/x' } }, 'env.ADMIN_TOKEN_FILE is also in secrets'],
  [{ secrets: { WORKERS: { secret: 'a', key: 'b' } } }, 'secrets.WORKERS is set by the chart'],
  [{ config: { file: 'x', existingConfigMap: 'y' } }, 'are both set'],
  [{ termination: { preStop: 0 } }, 'termination.preStop and termination.drainDelay are 0'],
  [
    { termination: { gracePeriod: 24 } },
    'termination.gracePeriod is 24 s: preStop, drainDelay, drainTimeout and 5 s are 25 s'
  ],
  [{ autoscaling: { enabled: true, minReplicas: 11 } }, 'minReplicas is 11, above maxReplicas 10'],
  [{ autoscaling: { enabled: true }, resources: { limits: { cpu: 1 } } }, 'needs resources.requests.cpu'],
  [{ serviceMonitor: { enabled: true } }, 'serviceMonitor needs networkPolicy.admin'],
  [{ prometheusRule: { enabled: true } }, '--set-file prometheusRule.alerts']
]

t.test('wrong values are named', t => {
  const results = renderChart(
    cases.map(([{ image, secrets, ...values }]) => ({
      ...values,
      image: { ...REQUIRED.image, ...image },
      secrets: { ...REQUIRED.secrets, ...secrets }
    }))
  )
  for (const [i, [values, error]] of cases.entries())
    t.match(results[i]?.error, error, JSON.stringify(values))
  t.end()
})

t.test('everything that is missing is named at once', t => {
  const [nothing] = renderChart([{}])
  t.match(
    nothing?.error,
    /The values have 3 faults:\nimage\.repository .+\nimage\.tag .+\nsecrets\.ADMIN_TOKEN /
  )
  t.end()
})

t.test('values that only look wrong render', t => {
  const fine = [
    { env: { PUBLIC_KEY_FILE: '/etc/key', REDIS_URL: 'redis://redis:6379', TOKEN_ISSUER: 'x' } },
    { termination: { preStop: 0, drainDelay: 5 } },
    { termination: { gracePeriod: 25 } },
    { serviceMonitor: { enabled: true }, networkPolicy: { enabled: false } }
  ]
  for (const { error } of renderChart(fine.map(values => ({ ...REQUIRED, ...values })))) t.equal(error, '')
  t.end()
})

t.test('Kubernetes without preStop.sleep is refused', t => {
  t.match(renderChart([REQUIRED], '1.29.9')[0]?.error, 'the chart needs Kubernetes >=1.30.0-0, not v1.29.9')
  t.end()
})
