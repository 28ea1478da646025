import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Ending } from '../../harness.ts'

/** A service that writes HTTP/2 frames (RFC 9113, 4), also those that no library sends. */

export const DATA = 0
export const HEADERS = 1
export const RST_STREAM = 3
export const SETTINGS = 4
export const PING = 6
export const GOAWAY = 7

const END_STREAM = 1
const ACK = 1
const END_HEADERS = 4
const PREFACE_LENGTH = 24

export interface Frame {
  type: number
  flags: number
  /** 0: of the connection. */
  stream: number
  payload: Buffer
}

export interface FrameServer {
  url: string
  /** Received frames of all connections in order. */
  frames: Frame[]
  connections: Set<Socket>
  /** Connections since the start. */
  accepted: number
}

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0)
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Encodes headers without compression (RFC 7541, 6.2.2). Names and values must be shorter than 127 bytes. */
export function headers(stream: number, fields: Record<string, string>, isEnd = false): Buffer {
  const block = Object.entries(fields).flatMap(([name, value]) => [
    Buffer.from([0, name.length]),
    Buffer.from(name, 'latin1'),
    Buffer.from([value.length]),
    Buffer.from(value, 'latin1')
  ])
  return frame(HEADERS, END_HEADERS | (isEnd ? END_STREAM : 0), stream, Buffer.concat(block))
}

export function data(stream: number, bytes: string | Buffer, isEnd = false): Buffer {
  return frame(DATA, isEnd ? END_STREAM : 0, stream, Buffer.from(bytes as string))
}

export function reset(stream: number, code: number): Buffer {
  return frame(RST_STREAM, 0, stream, uint32(code))
}

export function goAway(lastStream: number, code = 0): Buffer {
  return frame(GOAWAY, 0, 0, Buffer.concat([uint32(lastStream), uint32(code)]))
}

/** Returns a SETTINGS frame with at most one setting. */
export function settings(id?: number, value = 0): Buffer {
  const payload = Buffer.alloc(id === undefined ? 0 : 6)
  if (id !== undefined) {
    payload.writeUInt16BE(id)
    payload.writeUInt32BE(value, 2)
  }
  return frame(SETTINGS, 0, 0, payload)
}

export const MAX_CONCURRENT_STREAMS = 3

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export interface FrameServerOptions {
  /** First bytes on a connection. Null: nothing. */
  greeting?: Buffer | null
  /** Acknowledges PING. */
  answersPing?: boolean
}

/** Calls `onFrame` with each frame except SETTINGS, which it acknowledges. */
export async function startFrameServer(
  t: Ending,
  onFrame: (frame: Frame, socket: Socket) => void,
  { greeting = settings(), answersPing = true }: FrameServerOptions = {}
): Promise<FrameServer> {
  const server: FrameServer = { url: '', frames: [], connections: new Set(), accepted: 0 }
  const listener = createServer(socket => {
    let bytes = Buffer.alloc(0)
    let hasPreface = false
    server.accepted++
    server.connections.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => server.connections.delete(socket))
    if (greeting !== null) socket.write(greeting)
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      if (!hasPreface) {
        if (bytes.length < PREFACE_LENGTH) return
        bytes = bytes.subarray(PREFACE_LENGTH)
        hasPreface = true
      }
      while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
        const end = 9 + bytes.readUIntBE(0, 3)
        const received: Frame = {
          type: bytes.readUInt8(3),
          flags: bytes.readUInt8(4),
          stream: bytes.readUInt32BE(5),
          payload: Buffer.from(bytes.subarray(9, end))
        }
        bytes = bytes.subarray(end)
        server.frames.push(received)
        const isAck = (received.flags & ACK) !== 0
        if (received.type === SETTINGS) {
          if (!isAck && greeting !== null) socket.write(frame(SETTINGS, ACK, 0))
        } else if (received.type === PING && !isAck && answersPing)
          socket.write(frame(PING, ACK, 0, received.payload))
        else onFrame(received, socket)
      }
    })
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => {
    listener.close()
    for (const socket of server.connections) socket.destroy()
  })
  server.url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
  return server
}

/** Calls `onRequest` for each request, with its stream and the number of earlier requests. */
export function startFrameService(
  t: Ending,
  onRequest: (stream: number, socket: Socket, before: number) => void,
  options?: FrameServerOptions
): Promise<FrameServer> {
  let requests = 0
  return startFrameServer(
    t,
    ({ type, stream }, socket) => {
      if (type === HEADERS) onRequest(stream, socket, requests++)
    },
    options
  )
}
