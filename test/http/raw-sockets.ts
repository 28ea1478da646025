import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Ending } from '../harness.ts'
import { type RequestMessage, type ResponseMessage, readRequest, readResponse } from './http-message.ts'

/** Milliseconds. */
const TIMEOUT = 20_000

export interface Received extends RequestMessage {
  /** The request as received, in latin1. */
  bytes: string
}

export interface Recorder {
  url: string
  /** Complete requests in order of arrival. */
  received: Received[]
  /** Errors for bytes that are not a request. */
  faults: Error[]
  /** Returns all received bytes, including those of incomplete requests. */
  bytes(): string
  connections(): number
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok'

/** Starts a service on raw sockets. It records requests byte for byte, and writes what `respond` returns. */
export async function startRecorder(
  t: Ending,
  respond: (request: Received, socket: Socket) => string | undefined = () => OK
): Promise<Recorder> {
  const sockets = new Set<Socket>()
  const all: string[] = []
  const recorder: Recorder = {
    url: '',
    received: [],
    faults: [],
    bytes: () => all.join(''),
    connections: () => sockets.size
  }
  const server = createServer(socket => {
    sockets.add(socket)
    let bytes = ''
    let at = 0
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk: string) => {
      bytes += chunk
      all.push(chunk)
      try {
        for (let one = readRequest(bytes, at); one !== undefined; one = readRequest(bytes, at)) {
          const received = { ...one, bytes: bytes.slice(at, one.end) }
          at = one.end
          recorder.received.push(received)
          const text = respond(received, socket)
          if (text !== undefined) socket.write(text, 'latin1')
        }
      } catch (error) {
        recorder.faults.push(error as Error)
        socket.destroy()
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  recorder.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return recorder
}

/** A client on a raw socket. */
export class Client {
  readonly socket: Socket
  bytes = ''
  isClosed = false
  /** Methods of the pending requests: a response to HEAD has no body. */
  #methods: string[] = []
  #responses: ResponseMessage[] = []
  #at = 0

  constructor(url: string) {
    this.socket = connect(Number(new URL(url).port), '127.0.0.1')
    this.socket.setNoDelay(true)
    this.socket.setEncoding('latin1')
    this.socket.on('data', (chunk: string) => {
      this.bytes += chunk
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.isClosed = true
    })
  }

  /** Writes latin1 text. `methods`: methods of the requests that it completes. */
  write(bytes: string, ...methods: string[]): this {
    this.#methods.push(...methods)
    this.socket.write(bytes, 'latin1')
    return this
  }

  /**
   * Returns the next response, also 1xx.
   * @throws Malformed for anything else
   */
  async response(): Promise<ResponseMessage> {
    const found = await until(() => this.#next() ?? (this.isClosed ? 'closed' : undefined), 'a response')
    if (found === 'closed') throw new Error(`the connection was closed after: ${this.bytes.slice(-500)}`)
    return found
  }

  /** Waits for the end of the connection. Returns all responses. */
  async responsesToEnd(): Promise<ResponseMessage[]> {
    await until(() => this.isClosed || undefined, 'the end of the connection')
    while (this.#next() !== undefined);
    if (this.#at < this.bytes.length)
      throw new Error(`bytes behind the last response: ${this.bytes.slice(this.#at)}`)
    return this.#responses
  }

  #next(): ResponseMessage | undefined {
    const response = readResponse(this.bytes, this.#at, this.#methods[0] ?? 'GET', this.isClosed)
    if (response === undefined) return undefined
    this.#at = response.end
    if (response.status >= 200) this.#methods.shift()
    this.#responses.push(response)
    return response
  }

  end(): void {
    this.socket.destroy()
  }
}

/** Returns the number of connected clients. */
export function connectionsOf({ server }: FastifyInstance): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  )
}

/** Polls until `find` returns a value. */
export async function until<T>(
  find: () => T | undefined | false | Promise<T | undefined | false>,
  what: string
): Promise<T> {
  const end = Date.now() + TIMEOUT
  for (;;) {
    const found = await find()
    if (found !== undefined && found !== false) return found
    if (Date.now() > end) throw new Error(`timed out after ${TIMEOUT} ms: ${what}`)
    await delay(5)
  }
}
