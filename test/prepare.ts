import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findRedisServer } from '../testing/redis-server.ts'
import { findBrowser } from './browser.ts'
import { buildComposeReader } from './deploy/compose.ts'
import { buildRenderer } from './deploy/helm.ts'
import { findGo } from './go.ts'
import { buildCollector } from './observe/otel/collector.ts'
import { hasPrometheus } from './prometheus.ts'

/**
 * Runs before the tests: finds Redis (also by REDIS_URL), Chromium, Prometheus, Go and Python, or installs them with the
 * system's package manager if that needs no input. Tests that need them are never skipped.
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
    otherwise:
      'Go, which builds the OpenTelemetry Collector and a Helm: install version 1.21 or later from go.dev'
  },
  {
    has: () => spawnSync('python3', ['-c', 'import ensurepip, venv']).status === 0,
    apt: ['python3-venv'],
    brew: ['python'],
    otherwise: 'Python 3 with venv, for schemathesis: install python3-venv'
  },
  {
    has: () => spawnSync('systemd-socket-activate', ['--version']).status === 0,
    apt: ['systemd'],
    brew: [],
    otherwise: 'systemd-analyze and systemd-socket-activate: install systemd, on Linux'
  }
]

const missing = needs.filter(({ has }) => !has())
if (missing.length > 0) {
  if (process.getuid?.() === 0) {
    run('apt-get', 'update', '-qq')
    run('apt-get', 'install', '-yqq', '--no-install-recommends', ...missing.flatMap(({ apt }) => apt))
  } else {
    for (const { brew } of missing.filter(({ brew }) => brew.length > 0))
      run('brew', 'install', '--quiet', ...brew)
  }
}
for (const { otherwise } of missing.filter(({ has }) => !has())) {
  console.error(`The tests need ${otherwise}`)
  process.exitCode = 1
}
if (findGo() !== undefined) {
  buildCollector()
  buildRenderer()
  buildComposeReader()
}

/** Tools with packages of their own: rules for OpenAPI documents, schemathesis, and checks of what deploys use. */
const tools = join(import.meta.dirname, 'openapi')
if (!existsSync(join(tools, 'node_modules'))) run('npm', 'ci', '--silent', '--prefix', tools)
const programs = [
  installPython(tools, 'schemathesis'),
  installPython(join(import.meta.dirname, 'deploy'), 'kubernetes-validate'),
  installPython(join(import.meta.dirname, 'deploy'), 'hadolint')
]
for (const path of [join(tools, 'node_modules'), ...programs]) {
  if (existsSync(path)) continue
  console.error(`The tests need ${path}, which could not be installed: see the messages above`)
  process.exitCode = 1
}

/** Installs the requirements.txt of a folder in its `.venv`. Returns the path of one of its programs. */
function installPython(folder: string, program: string): string {
  const venv = join(folder, '.venv')
  const path = join(venv, 'bin', program)
  if (existsSync(path)) return path
  run('python3', '-m', 'venv', venv)
  run(join(venv, 'bin/pip'), 'install', '--quiet', '--requirement', join(folder, 'requirements.txt'))
  return path
}

function run(command: string, ...args: string[]): void {
  // RUNLEVEL keeps Debian from starting the services of Redis and Prometheus.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  spawnSync(command, args, { env, stdio: ['ignore', 'inherit', 'inherit'] })
}
