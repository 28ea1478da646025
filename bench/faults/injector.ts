import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type FaultName, faultOf } from './faults.ts'
import { Peer } from './peer.ts'

/** A service that fails in one way, over TCP, and counts what becomes of it. */
export interface Injector {
  url: string
  /** Connections that it has taken, and requests whose head has come. */
  seen(): { connections: number; requests: number }
  /** Connections that are open: kept alive after a whole answer, and all others. */
  left(): { idle: number; busy: number }
  close(): Promise<void>
}

export async function startInjector(name: FaultName): Promise<Injector> {
  const fault = faultOf(name)
  if (fault.listens === 'full') return startFull()
  const peers = new Map<Socket, Peer>()
  let connections = 0
  let gone = 0
  // A connection whose other side has ended is still one.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    connections++
    socket.on('error', () => {})
    socket.on('end', () => socket.destroy())
    const peer = new Peer(socket, fault)
    peers.set(socket, peer)
    socket.on('close', () => {
      gone += peer.requests
      peers.delete(socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const close = async () => {
    server.close()
    for (const socket of peers.keys()) socket.destroy()
  }
  if (fault.listens === 'not') await close()
  return {
    url,
    seen: () => ({
      connections,
      requests: [...peers.values()].reduce((sum, each) => sum + each.requests, gone)
    }),
    left() {
      const busy = [...peers.values()].filter(({ isBusy }) => isBusy).length
      return { idle: peers.size - busy, busy }
    },
    close
  }
}

/** Listens, takes nothing, and has as many in line as the system keeps: what comes then gets no answer at all. */
async function startFull(): Promise<Injector> {
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
  const own = openTo(port)
  return {
    url: `http://127.0.0.1:${port}`,
    seen: () => ({ connections: 0, requests: 0 }),
    left: () => ({ idle: 0, busy: Math.max(0, openTo(port) - own) }),
    async close() {
      for (const filler of fillers) filler.destroy()
      await worker.terminate()
    }
  }
}

/** Connections to a port, made or being made, by /proc; elsewhere none are seen. */
function openTo(port: number): number {
  if (process.platform !== 'linux') return 0
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(([, , to, state]) => to === remote && (state === '01' || state === '02')).length
}
