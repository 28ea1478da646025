import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { resolveConfig } from '../../config/resolve-config.ts'
import * as shop from '../../fastify.config.ts'
import { deploy, readCompose } from './compose.ts'

const { services, secrets, networks } = readCompose(join(deploy, 'compose.yaml'))
const { gateway } = services

t.test('every service is hardened and bounded', async t => {
  t.ok(Object.keys(services).length >= 9)
  for (const [name, service] of Object.entries(services)) {
    t.equal(service.read_only, true, name)
    t.same(service.cap_drop, ['ALL'], name)
    t.same(service.security_opt, ['no-new-privileges:true'], name)
    t.ok(Number(service.mem_limit) > 0 && Number(service.pids_limit) > 0, name)
    t.match(service.image, /^sluice-shop(-demo)?$|:v?\d+\.\d+/, name)
    // The image of the collector has no program for a check.
    t.equal(service.healthcheck !== undefined, name !== 'collector' && name !== 'gateway', name)
    for (const { host_ip } of service.ports ?? []) t.equal(host_ip, '127.0.0.1', name)
  }
})

t.test('only the gateway connects clients to the services', async t => {
  t.equal(networks.services?.internal, true)
  for (const name of ['users', 'orders', 'products', 'valkey'])
    t.same(Object.keys(services[name]?.networks ?? {}), ['services'], name)
  t.same(Object.keys(gateway?.networks ?? {}).sort(), ['edge', 'services'])
  t.equal(services.identity?.network_mode, 'service:gateway')
})

t.test('the variables of the gateway make a valid config', async t => {
  const env: NodeJS.ProcessEnv = { ...gateway?.environment }
  const known = [...Object.keys(shop.environment.properties), 'WORKERS']
  for (const name of Object.keys(env)) t.ok(known.includes(name.replace(/_FILE$/, '')), name)
  t.equal(env.ADMIN_TOKEN_FILE, '/run/secrets/admin-token')
  env.ADMIN_TOKEN_FILE = secrets['admin-token']?.file
  const { admin, drain, otel } = resolveConfig(shop, env)
  t.equal(admin.token, readFileSync(join(deploy, 'compose/admin-token'), 'utf8').trim())
  t.ok(otel, 'traces are on')
  t.equal(gateway?.stop_grace_period, `${(drain.delay + drain.timeout) / 1_000 + 5}s`)
})

t.test('the files exist, and a secret can be replaced', async t => {
  for (const { file } of Object.values(secrets)) t.ok(readFileSync(file, 'utf8').length > 0, file)
  const mounts = Object.values(services).flatMap(({ volumes = [] }) => volumes)
  const files = mounts.filter(({ type }) => type === 'bind')
  t.ok(files.length >= 6)
  for (const { source, read_only } of files) {
    t.ok(readFileSync(source, 'utf8').length > 0, source)
    t.equal(read_only, true, source)
  }
  const own = readCompose(join(deploy, 'compose.yaml'), { ADMIN_TOKEN_FILE: '/etc/own-token' })
  t.equal(own.secrets['admin-token']?.file, '/etc/own-token')
})

t.test('Prometheus accepts its config', async t => {
  const folder = t.testdir()
  copyFileSync(join(deploy, 'prometheus/alerts.yml'), join(folder, 'alerts.yml'))
  const config = readFileSync(join(deploy, 'compose/prometheus.yaml'), 'utf8')
  const token = '/run/secrets/admin-token'
  t.match(config, token)
  writeFileSync(join(folder, 'prometheus.yml'), config.replace(token, secrets['admin-token']?.file as string))
  const { status, stderr } = spawnSync('promtool', ['check', 'config', join(folder, 'prometheus.yml')])
  t.equal(status, 0, String(stderr))
})

t.test('a faulty file is rejected', async t => {
  const file = join(
    t.testdir({ 'compose.yaml': 'services: { a: { image: b, memlimit: 1 } }' }),
    'compose.yaml'
  )
  t.throws(() => readCompose(file), /memlimit/)
})
