import { fstatSync, rmSync } from 'node:fs'
import { url as inspectorUrl } from 'node:inspector'
import { flushCompileCache } from 'node:module'
import type { Socket } from 'node:net'
import { dirname } from 'node:path'
import { buildAdmin } from '../admin/admin.ts'
import { buildGateway } from '../gateway.ts'
import { createLogger } from '../observe/logger.ts'
import { explainFailure, loadConfig } from './config.ts'
import type { Edition } from './loaded-files.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import { warmUp } from './warm-up.ts'

export interface ServeOptions {
  /** Of the config. */
  file: string
  /** Path of the Unix socket for the admin side. */
  socket: string
  /** How many there are at a time. */
  workers: number
  /** Milliseconds that the warm-up may take; 0 skips it. */
  warmUp: number
  edition(): Edition
}

/** Milliseconds. */
const TELL_AFTER = 50
/** Bytes that a pipe takes in one piece, whoever else writes to it (pipe(7)): lines of several workers stay lines. */
const PIPE_BUF = 4_096

/** What worker.ts is about. Resolves once it has told the supervisor that it is ready; what fails ends the process. */
export async function serve(options: ServeOptions): Promise<void> {
  const leave = () => alone(options.socket)
  process.once('disconnect', leave)
  // They come to the whole group of processes, and are the supervisor's to act on.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']) process.on(signal, () => {})
  try {
    await start(options, leave)
  } catch (error) {
    await fail(explainFailure(error))
    process.exit(1)
  }
}

async function start(
  { file, socket, workers, warmUp: warmUpTime, edition }: ServeOptions,
  leave: () => void
) {
  const config = await loadConfig(file, process.env)
  const { listen, admin: guard, drain: times, log, redact, rateLimit } = config
  const maxWrite = fstatSync(1).isFIFO() ? PIPE_BUF : undefined
  const gateway = await buildGateway(config, createLogger({ ...log, redact, maxWrite }), undefined, {
    supervisor: { channel: process, workers }
  })
  const { server } = gateway
  let isDraining = false
  let isLeaving = false
  let connections = 0
  let lastId = 0
  let told: NodeJS.Timeout | undefined
  const admin = await buildAdmin(gateway, () => isDraining, { host: '127.0.0.1' })
  if (warmUpTime > 0) await warmUp(socket, warmUpTime)
  await admin.listen({ path: socket, listenTextResolver: () => `worker ${process.pid} is up` })

  // What starts node's watch over slow heads and bodies.
  server.emit('listening')

  process.on('message', (message: ToWorker, connection?: Socket) => {
    if (message.type === 'connection') take(message.id, connection)
    else if (message.type === 'given' && message.id !== lastId)
      tell({ type: 'missed', id: message.id, connections })
    else if (message.type === 'ping') tell({ type: 'pong', isDebugged: inspectorUrl() !== undefined })
    else if (message.type === 'drain') drain(0)
  })
  process.off('disconnect', leave).on('disconnect', () => {
    process.once('exit', () => tidy(socket))
    drain(0)
  })
  for (const event of ['uncaughtException', 'unhandledRejection'])
    process.on(event, (error: Error) => {
      gateway.log.fatal({ err: error }, 'the worker fails')
      if (isDraining) process.exit(1)
      fail(String(error?.message ?? error))
      drain(1)
    })

  // For those that start later. It takes up to a second if there is nothing there yet, in which nobody is served.
  flushCompileCache()
  tell({
    type: 'ready',
    settings: {
      listen: { host: listen.host, port: listen.port, tls: listen.tls !== undefined },
      admin: guard,
      drain: times,
      logLevel: log.level,
      keys: rateLimit.keys
    },
    edition: edition()
  })

  /** Told first: of what is not told, the supervisor knows that nothing was read. */
  function take(id: number, connection: Socket | undefined): void {
    lastId = id
    // Not said to be taken, it goes to another.
    if (isLeaving) return void connection?.destroy()
    if (connection !== undefined) connections++
    tell({ type: 'taken', id, connections })
    if (connection === undefined) return
    connection.once('close', () => {
      connections--
      if (told !== undefined) return
      told = setTimeout(() => {
        told = undefined
        tell({ type: 'connections', connections })
      }, TELL_AFTER)
    })
    // As sockets are that a server of node's has accepted.
    connection.allowHalfOpen = true
    if (connections > server.maxConnections) return void connection.destroy()
    server.emit('connection', connection)
  }

  async function drain(code: number): Promise<void> {
    if (isDraining) return
    isDraining = true
    const cut = await gateway.drain()
    isLeaving = true
    if (cut > 0) gateway.log.warn({ cut }, 'connections were cut at the end of the drain')
    await gateway.close()
    await admin.close()
    process.exit(code)
  }
}

function alone(socket: string): never {
  tidy(socket)
  process.exit(1)
}

/** What a supervisor would have done that was not killed. */
function tidy(socket: string): void {
  rmSync(dirname(socket), { recursive: true, force: true })
}

function tell(message: FromWorker, done?: () => void): void {
  // A supervisor that has gone is heard of by that alone.
  if (process.connected) process.send?.(message, undefined, undefined, () => done?.())
  else done?.()
}

function fail(reason: string): Promise<void> {
  return new Promise(resolve => tell({ type: 'failed', reason }, resolve))
}
