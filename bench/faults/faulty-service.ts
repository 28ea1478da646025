import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type FaultName, faultOf } from './faults.ts'
import { FaultyConnection } from './faulty-connection.ts'

/** A TCP service with one fault. */
export interface FaultyService {
  url: string
  /** Counts open connections: idle after a complete exchange, and all others. */
  open(): { idle: number; busy: number }
  close(): Promise<void>
}

export async function startFaultyService(name: FaultName): Promise<FaultyService> {
  const fault = faultOf(name)
  if (fault.listens === 'full') return startFull()
  const connections = new Map<Socket, FaultyConnection>()
  // A connection half closed by the gateway is still open.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    socket.on('error', () => {})
    socket.on('end', () => socket.destroy())
    connections.set(socket, new FaultyConnection(socket, fault))
    socket.on('close', () => connections.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const close = async () => {
    server.close()
    for (const socket of connections.keys()) socket.destroy()
  }
  if (fault.listens === 'not') await close()
  return {
    url,
    open() {
      const busy = [...connections.values()].filter(({ isBusy }) => isBusy).length
      return { idle: connections.size - busy, busy }
    },
    close
  }
}

/** Listens with a full accept queue: new connections are neither accepted nor refused. */
async function startFull(): Promise<FaultyService> {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads')
     const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port)
       setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
     })`,
    { eval: true }
  )
  const [port] = await once(worker, 'message')
  await sleep(50)
  const fillers = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  await sleep(50)
  const own = connectionsTo(port)
  return {
    url: `http://127.0.0.1:${port}`,
    open: () => ({ idle: 0, busy: Math.max(0, connectionsTo(port) - own) }),
    async close() {
      for (const filler of fillers) filler.destroy()
      await worker.terminate()
    }
  }
}

/** Counts connections to a port, established or pending, by /proc. Returns 0 on other systems. */
function connectionsTo(port: number): number {
  if (process.platform !== 'linux') return 0
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(([, , to, state]) => to === remote && (state === '01' || state === '02')).length
}
