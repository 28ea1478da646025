import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findRedisServer } from '../testing/redis-server.ts'
import { findBrowser } from './browser.ts'
import { buildCollector, findGo } from './observe/otel/collector.ts'
import { hasPrometheus } from './prometheus.ts'

/**
 * Runs before the tests: finds Redis, Chromium and Prometheus on the PATH (Redis also by REDIS_URL), or installs them with the system's
 * package manager if that needs no input. Tests that need them are never skipped.
 */
const needs = [
  {
    has: () => findRedisServer() !== undefined || Boolean(process.env.REDIS_URL),
    apt: ['redis-server'],
    brew: ['redis'],
    otherwise: 'Redis: install redis-server or valkey-server, or set REDIS_URL to a running one'
  },
  {
    has: () => findBrowser() !== undefined,
    apt: ['chromium'],
    brew: ['--cask', 'google-chrome'],
    otherwise: 'a browser: install chromium or google-chrome'
  },
  {
    has: hasPrometheus,
    apt: ['prometheus'],
    brew: ['prometheus'],
    otherwise: 'Prometheus: install prometheus with promtool'
  },
  {
    has: () => findGo() !== undefined,
    apt: ['golang-go'],
    brew: ['go'],
    otherwise: 'Go 1.26, which builds the OpenTelemetry Collector: install it from go.dev'
  }
]

const missing = needs.filter(({ has }) => !has())
if (missing.length > 0) {
  if (process.getuid?.() === 0) {
    run('apt-get', 'update', '-qq')
    run('apt-get', 'install', '-yqq', '--no-install-recommends', ...missing.flatMap(({ apt }) => apt))
  } else {
    for (const { brew } of missing) run('brew', 'install', '--quiet', ...brew)
  }
}
for (const { otherwise } of missing.filter(({ has }) => !has())) {
  console.error(`The tests need ${otherwise}`)
  process.exitCode = 1
}
if (findGo() !== undefined) buildCollector()

/** Tools with packages of their own: rules for OpenAPI documents, and schemathesis. */
const tools = join(import.meta.dirname, 'openapi')
if (!existsSync(join(tools, 'node_modules'))) run('npm', 'ci', '--silent', '--prefix', tools)
const venv = join(tools, '.venv')
if (!existsSync(join(venv, 'bin/schemathesis'))) {
  run('python3', '-m', 'venv', venv)
  run(join(venv, 'bin/pip'), 'install', '--quiet', '--requirement', join(tools, 'requirements.txt'))
}

function run(command: string, ...args: string[]): void {
  // RUNLEVEL keeps Debian from starting the services of Redis and Prometheus.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  spawnSync(command, args, { env, stdio: ['ignore', 'inherit', 'inherit'] })
}
