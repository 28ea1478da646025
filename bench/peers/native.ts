import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type MeasuredProcess, stop, toMeasured } from '../process.ts'
import { untilReady } from './readiness.ts'

/** A gateway outside Node: one process, available if its binary is on the PATH. */
export interface NativePeer {
  /** Also the name of the binary. */
  name: string
  /** Config files in this folder, with placeholders such as `{{PORT}}` and `{{UPSTREAM}}`. */
  templates: string[]
  /** `dir`: folder with the filled templates. */
  args(dir: string, port: number): string[]
  /** Arguments that print its version. */
  version: string[]
}

export const nativePeers: NativePeer[] = [
  {
    name: 'nginx',
    templates: ['nginx.conf'],
    args: dir => ['-e', 'stderr', '-p', dir, '-c', `${dir}/nginx.conf`],
    version: ['-v']
  },
  {
    name: 'haproxy',
    templates: ['haproxy.cfg'],
    args: dir => ['-db', '-f', `${dir}/haproxy.cfg`],
    version: ['-v']
  },
  {
    name: 'caddy',
    templates: ['Caddyfile'],
    args: dir => ['run', '--adapter', 'caddyfile', '--config', `${dir}/Caddyfile`],
    version: ['version']
  },
  {
    name: 'envoy',
    templates: ['envoy.yaml'],
    args: dir => [
      ...['--concurrency', '1', '--disable-hot-restart', '--log-level', 'error'],
      ...['--config-path', `${dir}/envoy.yaml`]
    ],
    version: ['--version']
  },
  {
    // The free edition supports no wildcard routes.
    name: 'krakend',
    templates: ['krakend.json'],
    args: (dir, port) => ['run', '--config', `${dir}/krakend.json`, '--port', String(port)],
    version: ['version']
  },
  {
    name: 'traefik',
    templates: ['traefik.yaml', 'traefik-routes.yaml'],
    args: dir => [`--configFile=${dir}/traefik.yaml`],
    version: ['version']
  }
]

/** Starts a peer, pinned to core 0 like every subject; Go programs run on one thread at a time. */
export async function startNative(
  { name, templates, args }: NativePeer,
  upstream: string
): Promise<MeasuredProcess> {
  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), `sluice-bench-${name}-`))
  for (const template of templates) writeFileSync(join(dir, template), fill(template, dir, port, upstream))

  const [command, ...rest] = [...pinned(), name, ...args(dir, port)]
  const child = spawn(command as string, rest, {
    env: { ...process.env, GOMAXPROCS: '1', HOME: dir, USAGE_DISABLE: '1' },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  child.once('exit', () => rmSync(dir, { recursive: true, force: true }))
  const output = lastOutputOf(child)
  const started = toMeasured(child, port)
  try {
    await untilReady(name, child, started.url)
  } catch (error) {
    await stop({ child })
    throw new Error(`${(error as Error).message}\n${await output}`.trim())
  }
  return started
}

export function isOnPath(command: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some(folder => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

export function versionOf({ name, version }: NativePeer): string {
  const { stdout, stderr } = spawnSync(name, version, { encoding: 'utf8' })
  return /\d+\.\d+\.\d+/.exec(stdout + stderr)?.[0] ?? 'unknown'
}

function pinned(): string[] {
  return process.platform === 'linux' && isOnPath('taskset') ? ['taskset', '-c', '0'] : []
}

function fill(template: string, dir: string, port: number, upstream: string): string {
  const { host, hostname, port: upstreamPort } = new URL(upstream)
  const values: Record<string, string> = {
    DIR: dir,
    PORT: String(port),
    UPSTREAM: host,
    UPSTREAM_HOST: hostname,
    UPSTREAM_PORT: upstreamPort
  }
  return readFileSync(new URL(template, import.meta.url), 'utf8').replace(
    /\{\{(\w+)\}\}/g,
    (_, key: string) => {
      const value = values[key]
      if (value === undefined) throw new Error(`${template}: unknown placeholder ${key}`)
      return value
    }
  )
}

/** Peers do not report the port that they get for 0. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Resolves with the last output of a process when it exits. */
function lastOutputOf(child: ChildProcess): Promise<string> {
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-2_000)
    })
  return new Promise(resolve => {
    child.once('close', () => resolve(text)).once('error', error => resolve(error.message))
  })
}
