import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ClusterStatus, ReloadOutcome } from '../../cluster/cluster-types.ts'
import { call, closedPort, type Ending, environmentOf } from '../harness.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs server.ts with a config that the test can rewrite. */
export interface RunningServer {
  child: ChildProcess
  url: string
  admin: string
  file: string
  /** Where it has its own files while it runs. */
  temporary: string
  output(): string
  status(): Promise<ClusterStatus>
  reload(): Promise<ReloadOutcome>
  /** The config file. */
  write(text: string): void
}

export interface ServerOptions {
  /** Text of the config file: see `configOf`. */
  config: string
  workers?: number
  env?: Record<string, string>
  /** Shell commands to run first, such as `ulimit -n 100;`. */
  before?: string
  /** Node's arguments. */
  execPath?: string
}

export async function startServer(
  t: Ending,
  { config, workers = 2, env = {}, before = '', execPath = process.execPath }: ServerOptions
): Promise<RunningServer> {
  const directory = mkdtempSync(join(root, '.test-'))
  const file = join(directory, 'gateway.config.ts')
  const temporary = join(directory, 'tmp')
  mkdirSync(temporary)
  const write = (text: string) => writeFileSync(file, text)
  write(config)
  const [port, adminPort] = [new URL(await closedPort()).port, new URL(await closedPort()).port]
  const child = spawn('sh', ['-c', `${before} exec "$0" "$@"`, execPath, 'server.ts', '--config', file], {
    cwd: root,
    env: environmentOf({
      WORKERS: String(workers),
      WORKER_WARM_UP: '0',
      TMPDIR: temporary,
      PORT: port,
      ADMIN_PORT: adminPort,
      ...env
    }),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc']
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', chunk => {
      output += chunk
    })
  const admin = `http://127.0.0.1:${adminPort}`
  const status = async () => (await call(`${admin}/cluster`)).json as ClusterStatus
  t.teardown(async () => {
    const pid = await status().then(
      ({ pid }) => pid,
      () => undefined
    )
    if (pid !== undefined && pid !== child.pid) process.kill(pid, 'SIGKILL')
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true })
  })
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  if (message !== 'ready') throw new Error(`${message}: ${output}`)
  return {
    child,
    url: `http://127.0.0.1:${port}`,
    admin,
    file,
    temporary,
    output: () => output,
    status,
    async reload() {
      const { status, json } = await call(`${admin}/reload`, { method: 'POST' })
      return { ...json, outcome: status === 200 ? 'done' : 'failed' }
    },
    write
  }
}

/**
 * A config of one scope, `/api`, whose routes are the text of a plugin's body, which says of which `edition` it is.
 * `more`: other members of the config, as text.
 */
export function configOf(edition: number | string, more = '', routes = ''): string {
  return `
const port = Number(process.env.PORT)
export default {
  listen: { port },
  admin: { port: Number(process.env.ADMIN_PORT) },
  log: { level: 'info', sample: 0 },
  ${more}
  scopes: {
    api: {
      prefix: '/api',
      routes: async app => {
        app.get('/edition', async () => ({ edition: '${edition}', pid: process.pid }))
        ${routes}
      }
    }
  }
}
`
}
