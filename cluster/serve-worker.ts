import { fstatSync, rmSync } from 'node:fs'
import { url as inspectorUrl } from 'node:inspector'
import { flushCompileCache } from 'node:module'
import type { Socket } from 'node:net'
import { dirname, resolve } from 'node:path'
import { buildAdmin } from '../admin/admin.ts'
import { buildGateway } from '../gateway.ts'
import { createLogger } from '../observe/logger.ts'
import type { GatewayConfig } from '../schemas/options/gateway.ts'
import { loadConfig } from './config.ts'
import { configDigests } from './config-digests.ts'
import { type DevMode, forDevelopment } from './dev-mode.ts'
import { digestFile, type LoadedFiles, pathOf } from './loaded-files.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import { explainFailure } from './start-failure.ts'
import { warmUp } from './warm-up.ts'

export interface ServeOptions {
  /** Path of the config. */
  file: string
  /** Path of the Unix socket for the worker's admin API. */
  socket: string
  /** Number of workers in a generation. */
  workers: number
  /** ms for the warm-up; 0 skips it. */
  warmUp: number
  dev: DevMode | undefined
  loadedFiles(): LoadedFiles
}

/** ms between two reports of the number of connections. */
const REPORT_INTERVAL = 50
/** Bytes that a pipe takes atomically (pipe(7)), so that log entries of several workers do not mix. */
const PIPE_BUF = 4_096

/** Runs the worker. Resolves when it has reported `ready`; exits the process if that fails. */
export async function serve(options: ServeOptions): Promise<void> {
  const leave = () => exitOrphaned(options.socket)
  process.once('disconnect', leave)
  // Terminals send signals to the whole process group. Only the supervisor acts on them.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']) process.on(signal, () => {})
  try {
    await start(options, leave)
  } catch (error) {
    await fail(explainFailure(error))
    process.exit(1)
  }
}

async function start(
  { file, socket, workers, warmUp: warmUpTime, dev, loadedFiles }: ServeOptions,
  leave: () => void
) {
  const loaded = await loadConfig(file, process.env)
  const config = dev === undefined ? loaded : forDevelopment(loaded)
  const { listen, admin: guard, drain: times, log, redact, rateLimit } = config
  const maxWrite = fstatSync(1).isFIFO() ? PIPE_BUF : undefined
  const logger = createLogger({ ...log, redact, maxWrite, format: dev?.log })
  const gateway = await buildGateway(config, logger, undefined, { supervisor: { channel: process, workers } })
  const { server } = gateway
  let isDraining = false
  let isLeaving = false
  let connections = 0
  let lastId = 0
  let reporting: NodeJS.Timeout | undefined
  const admin = await buildAdmin(gateway, () => isDraining, { host: '127.0.0.1' })
  if (warmUpTime > 0) await warmUp(socket, warmUpTime)
  await admin.listen({ path: socket, listenTextResolver: () => `worker ${process.pid} is up` })

  // Starts Node's timeouts for slow requests.
  server.emit('listening')

  process.on('message', (message: ToWorker, connection?: Socket) => {
    if (message.type === 'connection') take(message.id, connection)
    else if (message.type === 'sent' && message.id !== lastId)
      send({ type: 'nack', id: message.id, connections })
    else if (message.type === 'ping') send({ type: 'pong', isDebugged: inspectorUrl() !== undefined })
    else if (message.type === 'log-level') gateway.log.level = message.level ?? log.level
    else if (message.type === 'drain') drain(0)
  })
  process.off('disconnect', leave).on('disconnect', () => {
    process.once('exit', () => removeDirectory(socket))
    drain(0)
  })
  for (const event of ['uncaughtException', 'unhandledRejection'])
    process.on(event, (error: Error) => {
      gateway.log.fatal({ err: error }, 'worker failed')
      if (isDraining) process.exit(1)
      fail(String(error?.message ?? error))
      drain(1)
    })

  // Write the compile cache for later workers now, while nobody is served: the first time takes up to a second.
  flushCompileCache()
  send({
    type: 'ready',
    settings: {
      listen: { host: listen.host, port: listen.port, tls: listen.tls !== undefined },
      admin: guard,
      drain: times,
      logLevel: log.level,
      keys: rateLimit.keys
    },
    loadedFiles: { ...loadedFiles(), ...digestDocuments(config) },
    config: configDigests(config)
  })

  /** Acknowledges before reading: an unacknowledged connection is untouched and can be given to another worker. */
  function take(id: number, connection: Socket | undefined): void {
    lastId = id
    // Without an ack, another worker gets it.
    if (isLeaving) return void connection?.destroy()
    if (connection !== undefined) connections++
    send({ type: 'ack', id, connections })
    if (connection === undefined) return
    connection.once('close', () => {
      connections--
      if (reporting !== undefined) return
      reporting = setTimeout(() => {
        reporting = undefined
        send({ type: 'connections', connections })
      }, REPORT_INTERVAL)
    })
    // As for sockets that Node's server accepts itself.
    connection.allowHalfOpen = true
    if (connections > server.maxConnections) return void connection.destroy()
    server.emit('connection', connection)
  }

  async function drain(code: number): Promise<void> {
    if (isDraining) return
    isDraining = true
    const cut = await gateway.drain()
    isLeaving = true
    if (cut > 0) gateway.log.warn({ cut }, 'connections cut at the end of the drain')
    await gateway.close()
    await admin.close()
    process.exit(code)
  }
}

/** Digests the OpenAPI documents of services. */
function digestDocuments({ upstreams }: GatewayConfig): LoadedFiles {
  const files = Object.values(upstreams).flatMap(({ openapi }) => openapi ?? [])
  return Object.fromEntries(files.map(file => [pathOf(resolve(file)), digestFile(file) ?? '']))
}

function exitOrphaned(socket: string): never {
  removeDirectory(socket)
  process.exit(1)
}

/** Removes the directory of the sockets, which a killed supervisor leaves behind. */
function removeDirectory(socket: string): void {
  rmSync(dirname(socket), { recursive: true, force: true })
}

function send(message: FromWorker, done?: () => void): void {
  // The disconnect event handles a supervisor that has ended.
  if (process.connected) process.send?.(message, undefined, undefined, () => done?.())
  else done?.()
}

function fail(reason: string): Promise<void> {
  return new Promise(resolve => send({ type: 'failed', reason }, resolve))
}
