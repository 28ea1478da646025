import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Redis } from 'ioredis'

/** A real Redis for one test. */
export interface RunningRedis {
  url: string
  /** Kills it. Connections are refused from then on. */
  stop(): Promise<void>
  /** Starts it again at the same address. */
  start(): Promise<void>
  /** Pauses it: it accepts connections and commands, but does not respond. */
  pause(): void
  resume(): void
}

interface Ending {
  teardown(end: () => unknown): void
}

/**
 * Starts an empty server. Without an installed program, starts a relay to the Redis of REDIS_URL: tests stop and pause the
 * relay, and must use their own keys, since nothing in that Redis is deleted.
 */
export async function startRedis(t: Ending): Promise<RunningRedis> {
  const program = findRedisServer()
  if (program) return startServer(t, program)
  if (process.env.REDIS_URL) return startRelay(t, new URL(process.env.REDIS_URL))
  throw new Error('no Redis: install redis-server or valkey-server, or set REDIS_URL')
}

/** Returns the name of a server program on the PATH. */
export function findRedisServer(): string | undefined {
  return ['redis-server', 'valkey-server'].find(name => spawnSync(name, ['--version']).status === 0)
}

/** Runs a server until its input ends, which it also does if this process is killed. Prints the server's pid. */
const GUARD = `
trap '' HUP INT TERM
directory=$(mktemp -d)
"$0" "$@" --dir "$directory" >/dev/null 2>&1 &
echo $!
cat
kill -KILL $!
wait $!
rm -r "$directory"
`

async function startServer(t: Ending, program: string): Promise<RunningRedis> {
  const port = await findPort()
  const url = `redis://127.0.0.1:${port}`
  let guard: ChildProcess
  let pid: number

  async function start() {
    const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    guard = spawn('sh', ['-c', GUARD, program, ...args], { stdio: ['pipe', 'pipe', 'ignore'] })
    const [line] = await once(guard.stdout as NodeJS.EventEmitter, 'data')
    pid = Number(line)
    const client = new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: null })
    client.on('error', () => {})
    const info = await client.info('server')
    client.disconnect()
    if (!info.includes(`process_id:${pid}\r\n`)) throw new Error(`another Redis uses port ${port}`)
  }

  async function stop() {
    if (guard.exitCode !== null) return
    guard.stdin?.end()
    await once(guard, 'exit')
  }

  t.teardown(stop)
  await start()
  return {
    url,
    start,
    stop,
    pause: () => process.kill(pid, 'SIGSTOP'),
    resume: () => process.kill(pid, 'SIGCONT')
  }
}

/** Returns a port outside the ephemeral range, so that it is still free when the server restarts. */
async function findPort(): Promise<number> {
  const server = createServer()
  while (!server.listening) {
    const listening = once(server, 'listening')
    server.listen(10_000 + Math.floor(Math.random() * 20_000), '127.0.0.1')
    await listening.catch(() => {})
  }
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  return port
}

async function startRelay(t: Ending, target: URL): Promise<RunningRedis> {
  const sockets = new Set<Socket>()
  const port = await findPort()
  let isPaused = false
  let server: Server

  function relay(client: Socket) {
    const host = target.hostname
    const options = { host, port: Number(target.port || 6379), servername: host }
    const redis = target.protocol === 'rediss:' ? connectTls(options) : connect(options)
    for (const [from, to] of [
      [client, redis],
      [redis, client]
    ] as const) {
      sockets.add(from)
      if (isPaused) from.pause()
      from.on('data', chunk => to.write(chunk))
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  }

  async function start() {
    server = createServer(relay).listen(port, '127.0.0.1')
    await once(server, 'listening')
  }

  async function stop() {
    isPaused = false
    for (const socket of sockets) socket.destroy()
    if (server.listening) await once(server.close(), 'close')
  }

  t.teardown(stop)
  await start()
  const url = new URL(target)
  url.protocol = 'redis:'
  url.host = `127.0.0.1:${port}`
  return {
    url: url.href,
    start,
    stop,
    pause() {
      isPaused = true
      for (const socket of sockets) socket.pause()
    },
    resume() {
      isPaused = false
      for (const socket of sockets) socket.resume()
    }
  }
}
