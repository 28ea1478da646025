import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type Measured, measured, stop } from '../process.ts'
import { untilAnswers } from './answers.ts'

/** A gateway that is no Node program: one process, used where its binary is on the PATH. */
export interface Native {
  /** Also the binary's. */
  name: string
  /** Its configuration: files beside this one, with `{{PORT}}`, `{{UPSTREAM}}` and the like for what is known at start. */
  templates: string[]
  /** `dir`: where the templates are written. */
  args(dir: string, port: number): string[]
  /** Prints its version, besides other text. */
  version: string[]
}

export const natives: Native[] = [
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
    // Its free edition has no route for any path.
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

/** `upstream`: its URL. Pinned to core 0 like every subject; Go programs run on one thread at a time. */
export async function startNative({ name, templates, args }: Native, upstream: string): Promise<Measured> {
  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), `sluice-bench-${name}-`))
  for (const template of templates) writeFileSync(join(dir, template), filled(template, dir, port, upstream))

  const [command, ...rest] = [...pinned(), name, ...args(dir, port)]
  const child = spawn(command as string, rest, {
    env: { ...process.env, GOMAXPROCS: '1', HOME: dir, USAGE_DISABLE: '1' },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  child.once('exit', () => rmSync(dir, { recursive: true, force: true }))
  const complaint = lastWords(child)
  const { url } = measured(child, port)
  try {
    await untilAnswers(name, child, url)
  } catch (error) {
    await stop({ child })
    throw new Error(`${(error as Error).message}\n${await complaint}`.trim())
  }
  return measured(child, port)
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

export function versionOf({ name, version }: Native): string {
  const { stdout, stderr } = spawnSync(name, version, { encoding: 'utf8' })
  return /\d+\.\d+\.\d+/.exec(stdout + stderr)?.[0] ?? 'unknown'
}

function pinned(): string[] {
  return process.platform === 'linux' && isOnPath('taskset') ? ['taskset', '-c', '0'] : []
}

function filled(template: string, dir: string, port: number, upstream: string): string {
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
      if (value === undefined) throw new Error(`${template}: nothing to put for ${key}`)
      return value
    }
  )
}

/** None of them says the port that it was given for 0. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** What a process said last, once it has ended: for the error of a failed start. */
function lastWords(child: ChildProcess): Promise<string> {
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-2_000)
    })
  return new Promise(resolve => {
    child.once('close', () => resolve(text)).once('error', error => resolve(error.message))
  })
}
