import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { freePort } from '../free-port.ts'
import { type MeasuredProcess, stop, toMeasured } from '../process.ts'
import { untilReady } from './readiness.ts'

/** A gateway outside Node: one process, available if its binary is on the PATH. */
export interface NativePeer {
  name: string
  /** Name of the binary. Default: `name`. */
  binary?: string
  /** Config files in this folder, with placeholders such as `{{PORT}}` and `{{UPSTREAM}}`. */
  templates: string[]
  /** `dir`: folder with the filled templates. */
  args(dir: string, port: number): string[]
  /** Arguments that print its version. */
  version: string[]
  /** Rejects requests without a token of the issuer. */
  needsToken?: boolean
}

export const nativePeers: NativePeer[] = [
  { name: 'nginx', templates: ['nginx.conf'], args: dir => nginxArgs(dir, 'nginx.conf'), version: ['-v'] },
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
  envoy('envoy', 'envoy.yaml'),
  { ...envoy('envoy, full', 'envoy-full.yaml'), needsToken: true },
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

function nginxArgs(dir: string, config: string): string[] {
  return ['-e', 'stderr', '-p', dir, '-c', `${dir}/${config}`]
}

function envoy(name: string, template: string): NativePeer {
  return {
    name,
    binary: 'envoy',
    templates: [template],
    args: dir => [
      ...['--concurrency', '1', '--disable-hot-restart', '--log-level', 'error'],
      ...['--config-path', `${dir}/${template}`]
    ],
    version: ['--version']
  }
}

/** A service that costs little: on core 1, since it is no subject. */
export const nginxService: NativePeer = {
  name: 'nginx',
  templates: ['service.conf'],
  args: dir => nginxArgs(dir, 'service.conf'),
  version: ['-v']
}

/** URLs that the templates of a peer name. */
export interface PeerUrls {
  upstream?: string
  issuer?: string
}

/**
 * Starts a peer, pinned to one core; Go programs run on one thread at a time.
 * @param core 0 for subjects, 1 for load and upstream
 */
export async function startNative(
  { name, binary = name, templates, args }: NativePeer,
  urls: PeerUrls,
  core = 0
): Promise<MeasuredProcess> {
  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), `sluice-bench-${binary}-`))
  for (const template of templates) writeFileSync(join(dir, template), fill(template, dir, port, urls))

  const [command, ...rest] = [...pinned(core), binary, ...args(dir, port)]
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

export function versionOf({ name, binary = name, version }: NativePeer): string {
  const { stdout, stderr } = spawnSync(binary, version, { encoding: 'utf8' })
  return /\d+\.\d+\.\d+/.exec(stdout + stderr)?.[0] ?? 'unknown'
}

/** Returns the command that pins another to `core`; empty where the system has none. */
export function pinned(core: number): string[] {
  return process.platform === 'linux' && isOnPath('taskset') ? ['taskset', '-c', String(core)] : []
}

function fill(template: string, dir: string, port: number, { upstream, issuer }: PeerUrls): string {
  const values: Record<string, string> = { DIR: dir, PORT: String(port) }
  if (upstream !== undefined) {
    const { host, hostname, port } = new URL(upstream)
    Object.assign(values, { UPSTREAM: host, UPSTREAM_HOST: hostname, UPSTREAM_PORT: port })
  }
  if (issuer !== undefined) {
    const { hostname, port } = new URL(issuer)
    Object.assign(values, { ISSUER: issuer, ISSUER_HOST: hostname, ISSUER_PORT: port })
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
