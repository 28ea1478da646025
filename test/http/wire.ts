import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Ending } from '../harness.ts'
import { type RequestMessage, type ResponseMessage, readRequest, readResponse } from './message.ts'

/** Milliseconds after which something that should happen is said not to. */
const BOUND = 20_000

export interface Received extends RequestMessage {
  /** As it came, to the octet. */
  octets: string
}

export interface Recorder {
  url: string
  /** Whole requests, in the order in which they came. */
  received: Received[]
  /** What came and was no request. */
  faults: Error[]
  /** All octets that ever came, of requests that did not end too. */
  octets(): string
  connections(): number
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok'

/** A service on a bare socket: it records what it gets, octet for octet, and answers with what `answer` returns. */
export async function startRecorder(
  t: Ending,
  answer: (request: Received, socket: Socket) => string | undefined = () => OK
): Promise<Recorder> {
  const sockets = new Set<Socket>()
  const all: string[] = []
  const recorder: Recorder = {
    url: '',
    received: [],
    faults: [],
    octets: () => all.join(''),
    connections: () => sockets.size
  }
  const server = createServer(socket => {
    sockets.add(socket)
    let octets = ''
    let at = 0
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk: string) => {
      octets += chunk
      all.push(chunk)
      try {
        for (let one = readRequest(octets, at); one !== undefined; one = readRequest(octets, at)) {
          const received = { ...one, octets: octets.slice(at, one.end) }
          at = one.end
          recorder.received.push(received)
          const text = answer(received, socket)
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

/** A client on a bare socket. */
export class Client {
  readonly socket: Socket
  octets = ''
  isClosed = false
  /** The methods of what was asked: an answer to HEAD has no body. */
  #methods: string[] = []
  #answers: ResponseMessage[] = []
  #at = 0

  constructor(url: string) {
    this.socket = connect(Number(new URL(url).port), '127.0.0.1')
    this.socket.setNoDelay(true)
    this.socket.setEncoding('latin1')
    this.socket.on('data', (chunk: string) => {
      this.octets += chunk
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.isClosed = true
    })
  }

  /** Octets as latin1. `methods`: of the requests that they end. */
  write(octets: string, ...methods: string[]): this {
    this.#methods.push(...methods)
    this.socket.write(octets, 'latin1')
    return this
  }

  /** The next answer, 1xx included. @throws Malformed if there is something else. */
  async answer(): Promise<ResponseMessage> {
    const found = await until(() => this.#next() ?? (this.isClosed ? 'closed' : undefined), 'an answer')
    if (found === 'closed') throw new Error(`the connection was closed after: ${this.octets.slice(-500)}`)
    return found
  }

  /** Every answer up to the end of the connection, which must come. */
  async answersToEnd(): Promise<ResponseMessage[]> {
    await until(() => this.isClosed || undefined, 'the end of the connection')
    while (this.#next() !== undefined);
    if (this.#at < this.octets.length) throw new Error(`left over: ${this.octets.slice(this.#at)}`)
    return this.#answers
  }

  #next(): ResponseMessage | undefined {
    const answer = readResponse(this.octets, this.#at, this.#methods[0] ?? 'GET', this.isClosed)
    if (answer === undefined) return undefined
    this.#at = answer.end
    if (answer.status >= 200) this.#methods.shift()
    this.#answers.push(answer)
    return answer
  }

  end(): void {
    this.socket.destroy()
  }
}

/** How many clients are connected. */
export function connectionsOf({ server }: FastifyInstance): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  )
}

/** Polls until `find` finds something. */
export async function until<T>(
  find: () => T | undefined | false | Promise<T | undefined | false>,
  what: string
): Promise<T> {
  const end = Date.now() + BOUND
  for (;;) {
    const found = await find()
    if (found !== undefined && found !== false) return found
    if (Date.now() > end) throw new Error(`${what} did not come within ${BOUND} ms`)
    await delay(5)
  }
}
