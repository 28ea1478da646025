import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }
import { chart, REQUIRED, type Rendered, type Resource, renderChart, resourceOf } from './helm.ts'

const root = join(chart, '../..')
const alerts = readFileSync(join(root, 'deploy/prometheus/alerts.yml'), 'utf8')
const peer = { podSelector: { matchLabels: { 'app.kubernetes.io/name': 'prometheus' } } }
const everything = {
  ...REQUIRED,
  imagePullSecrets: [{ name: 'registry' }],
  workers: 2,
  autoscaling: { enabled: true, minReplicas: 3, maxReplicas: 9 },
  config: { file: 'export default {}\n' },
  env: { LOG_LEVEL: 'warn', ORDERS_URL: 'http://orders.shop.svc', BYTES: 1_000_000, STRICT: true },
  secrets: { ...REQUIRED.secrets, REDIS_URL: { secret: 'redis', key: 'url' } },
  termination: { preStop: 5, drainDelay: 2, drainTimeout: 30, gracePeriod: 60 },
  service: { type: 'LoadBalancer', annotations: { a: 'b' }, externalTrafficPolicy: 'Local' },
  networkPolicy: {
    gateway: [{ namespaceSelector: {} }],
    admin: [peer],
    egress: [{ ports: [{ port: 443 }], to: [{ namespaceSelector: {} }] }]
  },
  serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
  prometheusRule: { enabled: true, alerts },
  podAnnotations: { a: 'b' },
  podLabels: { c: 'd' },
  nodeSelector: { e: 'f' },
  tolerations: [{ key: 'g', operator: 'Exists' }],
  affinity: { nodeAffinity: {} },
  volumes: [{ name: 'tls', secret: { secretName: 'tls' } }],
  volumeMounts: [{ name: 'tls', mountPath: '/run/tls', readOnly: true }]
}
const minimal = {
  ...REQUIRED,
  replicas: 1,
  termination: { preStop: 0, drainDelay: 5, drainTimeout: 20 },
  disruptionBudget: { enabled: false },
  topologySpread: { enabled: false },
  networkPolicy: { enabled: false }
}
const [standard, all, least] = renderChart([REQUIRED, everything, minimal]) as [Rendered, Rendered, Rendered]

t.test('every set of values renders, passes the linter and is valid in Kubernetes', t => {
  for (const [name, rendered] of Object.entries({ standard, all, least })) {
    t.equal(rendered.error, '', name)
    t.strictSame(rendered.lint, [], name)
  }
  const documents = [standard, all, least]
    .flatMap(({ resources }) => resources)
    .filter(({ apiVersion }) => !apiVersion.startsWith('monitoring.coreos.com/'))
  const cwd = t.testdir({ 'all.yml': documents.map(document => JSON.stringify(document)).join('\n---\n') })
  for (const version of ['1.30', '1.37']) {
    const program = join(import.meta.dirname, '.venv/bin/kubernetes-validate')
    const args = ['--strict', '--kubernetes-version', version, 'all.yml']
    const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' })
    t.equal(status, 0, version)
    t.equal((stdout + stderr).match(/ passed for resource /g)?.length, documents.length, stderr)
  }
  t.end()
})

t.test('the kinds of each set', t => {
  const kinds = ({ resources }: Rendered) => resources.map(({ kind }) => kind).sort()
  const always = ['Deployment', 'Pod', 'Service', 'Service', 'ServiceAccount']
  t.strictSame(kinds(least), always)
  t.strictSame(kinds(standard), [...always, 'NetworkPolicy', 'PodDisruptionBudget'].sort())
  t.strictSame(
    kinds(all),
    [
      ...always,
      'ConfigMap',
      'HorizontalPodAutoscaler',
      'NetworkPolicy',
      'PodDisruptionBudget',
      'PrometheusRule',
      'ServiceMonitor'
    ].sort()
  )
  t.end()
})

t.test('pods run without rights, and secrets are files', t => {
  for (const rendered of [standard, all, least])
    for (const { spec } of [
      resourceOf(rendered, 'Pod'),
      resourceOf(rendered, 'Deployment').spec.template as Resource
    ]) {
      t.match(spec, {
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } }
      })
      t.strictSame(spec.containers[0].securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] }
      })
    }
  t.equal(resourceOf(all, 'ServiceAccount').kind, 'ServiceAccount')
  const { containers, volumes } = resourceOf(all, 'Deployment').spec.template.spec
  t.notOk(containers[0].env.some((variable: object) => 'valueFrom' in variable))
  t.match(volumes[1].projected.sources, [
    { secret: { name: 'gateway', items: [{ key: 'admin-token', path: 'ADMIN_TOKEN' }] } },
    { secret: { name: 'redis', items: [{ key: 'url', path: 'REDIS_URL' }] } }
  ])
  t.end()
})

t.test('the admin API is open to named peers only', t => {
  const rules = (rendered: Rendered) => resourceOf(rendered, 'NetworkPolicy').spec
  t.strictSame(rules(standard).ingress, [{ ports: [{ port: 'http' }] }])
  t.strictSame(rules(standard).policyTypes, ['Ingress'])
  t.strictSame(rules(all).ingress[1], { ports: [{ port: 'admin' }], from: [peer] })
  t.strictSame(rules(all).policyTypes, ['Ingress', 'Egress'])
  t.match(rules(all).egress, [{ ports: [{ port: 53 }, { port: 53 }] }, { ports: [{ port: 443 }] }])
  t.match(standard.notes, 'may call every address')
  t.match(least.notes, 'every pod can call the admin API')
  t.notMatch(all.notes, 'networkPolicy')
  t.end()
})

t.test('variables keep their values, and a changed config starts new pods', t => {
  const template = resourceOf(all, 'Deployment').spec.template
  const value = (name: string) =>
    template.spec.containers[0].env.find((variable: { name: string }) => variable.name === name)?.value
  t.strictSame(['LOG_LEVEL', 'BYTES', 'STRICT'].map(value), ['warn', '1000000', 'true'])
  t.equal(resourceOf(all, 'ConfigMap').data?.['fastify.config.ts'], 'export default {}\n')
  const [changed] = renderChart([{ ...everything, config: { file: 'export default { }\n' } }])
  t.not(
    resourceOf(changed as Rendered, 'Deployment').spec.template.metadata.annotations['checksum/config'],
    template.metadata.annotations['checksum/config']
  )
  t.end()
})

t.test('names that YAML reads as numbers stay text', t => {
  const secrets = { ADMIN_TOKEN: { secret: '123', key: '456' } }
  const values = { ...everything, config: { existingConfigMap: '789' }, secrets }
  const [rendered] = renderChart([values], undefined, '1e3') as [Rendered]
  const deployment = resourceOf(rendered, 'Deployment')
  t.equal(deployment.metadata.labels['app.kubernetes.io/instance'], '1e3')
  t.equal(deployment.spec.selector.matchLabels['app.kubernetes.io/instance'], '1e3')
  t.equal(resourceOf(rendered, 'Pod').metadata.labels['app.kubernetes.io/instance'], '1e3')
  const [, secret, config] = deployment.spec.template.spec.volumes
  t.strictSame(secret.projected.sources[0].secret.name, '123')
  t.strictSame(config.configMap.name, '789')
  const [{ authorization }] = resourceOf(rendered, 'ServiceMonitor').spec.endpoints
  t.strictSame(authorization.credentials, { name: '123', key: '456' })
  t.end()
})

t.test('every text is a config, and every tag gives a label', t => {
  const file = '  // {{ .Values }}\n---\n\texport default {}'
  const tags = ['_1.0_', `${'x'.repeat(62)}-1`]
  const cases = tags.map(tag => ({ ...everything, config: { file }, image: { ...REQUIRED.image, tag } }))
  for (const rendered of renderChart(cases)) {
    t.equal(resourceOf(rendered, 'ConfigMap').data?.['fastify.config.ts'], file)
    const { labels } = resourceOf(rendered, 'Deployment').metadata
    t.match(labels['app.kubernetes.io/version'], /^[a-z0-9]([\w.-]{0,61}[a-z0-9])?$/)
  }
  t.end()
})

t.test('Prometheus gets the token, the name of the job and the alerts', t => {
  const [endpoint] = resourceOf(all, 'ServiceMonitor').spec.endpoints
  t.match(endpoint, { authorization: { credentials: { name: 'gateway', key: 'admin-token' } } })
  t.strictSame(endpoint.relabelings, [{ targetLabel: 'job', replacement: 'sluice' }])
  const { selector } = resourceOf(all, 'ServiceMonitor').spec
  t.match(resourceOf(all, 'Service', 'gateway-sluice-admin').metadata.labels, selector.matchLabels)
  t.notMatch(resourceOf(all, 'Service', 'gateway-sluice').metadata.labels, selector.matchLabels)
  t.strictSame(resourceOf(all, 'PrometheusRule').spec, parse(alerts))
  t.end()
})

t.test('memory is what docs/memory.md measures', t => {
  const page = readFileSync(join(root, 'docs/memory.md'), 'utf8')
  const worker = Number(/holds about (\d+) MiB/.exec(page)?.[1])
  const supervisor = Number(/supervisor holds \d+ to (\d+) MiB/.exec(page)?.[1])
  for (const [rendered, workers] of [
    [standard, 1],
    [all, 2]
  ] as const) {
    const { requests, limits } = resourceOf(rendered, 'Deployment').spec.template.spec.containers[0].resources
    t.equal(requests.cpu, workers)
    t.ok(Number.parseInt(requests.memory, 10) >= workers * worker + supervisor, requests.memory)
    t.ok(Number.parseInt(limits.memory, 10) >= 2 * workers * worker + supervisor, limits.memory)
  }
  t.end()
})

t.test('the chart has the version of the package', t => {
  const { version, appVersion } = parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8'))
  t.strictSame([version, appVersion], [packageJson.version, packageJson.version])
  t.end()
})
