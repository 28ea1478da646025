import type { Socket } from 'node:net'
import type { Exchange } from '../http/exchange.ts'

const readBefore = Symbol('sluice.readBefore')
const writtenBefore = Symbol('sluice.writtenBefore')

interface CountedSocket extends Socket {
  [readBefore]?: number
  [writtenBefore]?: number
}

/**
 * Returns the bytes received and sent on the connection since its last exchange ended, or -1 over HTTP/2, where exchanges
 * share a connection. Call it exactly once per exchange.
 */
export function takeConnectionBytes({ socket, reply }: Exchange): [received: number, sent: number] {
  if (reply.request.raw.httpVersionMajor > 1) return UNKNOWN
  const counted = socket as CountedSocket
  const { bytesRead, bytesWritten } = counted
  const received = bytesRead - (counted[readBefore] ?? 0)
  const sent = bytesWritten - (counted[writtenBefore] ?? 0)
  counted[readBefore] = bytesRead
  counted[writtenBefore] = bytesWritten
  return [received, sent]
}

const UNKNOWN: [number, number] = [-1, -1]
