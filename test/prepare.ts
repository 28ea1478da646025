import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
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
    has: () => spawnSync('ssh-keygen', ['-?']).error === undefined,
    apt: ['openssh-client'],
    brew: ['openssh'],
    otherwise: 'OpenSSH, which signs the tags of test/release: install openssh-client'
  },
  {
    has: () => spawnSync('python3', ['-c', 'import ensurepip, venv']).status === 0,
    apt: ['python3-venv'],
    brew: ['python'],
    otherwise: 'Python 3 with venv, for schemathesis, kubernetes-validate and hadolint: install python3-venv'
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

/** Tools with packages of their own: for OpenAPI documents, for what deploys use, and for the docs site. */
const tools = join(import.meta.dirname, 'openapi')
const installs = [
  installPackages(tools),
  installPackages(join(import.meta.dirname, '../site')),
  installPython(tools, ['schemathesis']),
  installPython(join(import.meta.dirname, 'deploy'), ['kubernetes-validate', 'hadolint'])
]
// While those download.
if (findGo() !== undefined) {
  buildCollector()
  buildRenderer()
  buildComposeReader()
}
for (const path of (await Promise.all(installs)).flat()) {
  if (existsSync(path)) continue
  console.error(`The tests need ${path}, which could not be installed: see the messages above`)
  process.exitCode = 1
}

/** Installs the package-lock.json of a folder. Returns the path of its packages. */
async function installPackages(folder: string): Promise<string[]> {
  const path = join(folder, 'node_modules')
  if (!existsSync(path)) await runBeside('npm', 'ci', '--silent', '--prefix', folder)
  return [path]
}

/** Installs the requirements.txt of a folder in its `.venv`. Returns the paths of its programs. */
async function installPython(folder: string, programs: string[]): Promise<string[]> {
  const bin = join(folder, '.venv/bin')
  const paths = programs.map(program => join(bin, program))
  if (paths.every(path => existsSync(path))) return paths
  // One command, since the builds below hold up this process.
  const script = 'python3 -m venv "$0" && "$0/bin/pip" install --quiet --requirement "$1"'
  await runBeside('sh', '-c', script, join(folder, '.venv'), join(folder, 'requirements.txt'))
  return paths
}

async function runBeside(command: string, ...args: string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  await once(child, 'close').catch(error => console.error(`${command} cannot run: ${error.message}`))
}

function run(command: string, ...args: string[]): void {
  // RUNLEVEL keeps Debian from starting the services of Redis and Prometheus.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  spawnSync(command, args, { env, stdio: ['ignore', 'inherit', 'inherit'] })
}
