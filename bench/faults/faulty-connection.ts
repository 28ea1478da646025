import type { Socket } from 'node:net'

/** Bytes. */
const LARGE = 1_048_576
const SMALL = '{"id":"1","text":"an answer of a usual size"}'

/** Milliseconds that an unread request body stays unread. */
const UNREAD = 1_500

/** Returns the body that a path asks for. */
export function bodyOf(path: string): string {
  return path.includes('large') ? 'x'.repeat(LARGE) : SMALL
}

/** One way in which a service fails. */
export interface Fault {
  name: string
  /** `not`: refuses connections. `full`: never accepts them. Default: listens. */
  listens?: 'not' | 'full'
  onConnect?(connection: FaultyConnection): void
  /** Called when the request headers have arrived. Returns true to leave the body unread. */
  onHeaders?(connection: FaultyConnection): boolean
  /** Called when the request is complete. Default: sends a good response. */
  onRequest?(connection: FaultyConnection): void
}

/** One connection of a faulty service: reads requests with a content length, and responds as its fault says. */
export class FaultyConnection {
  method = ''
  path = ''
  /** Requests whose headers have arrived. */
  requests = 0
  #socket: Socket
  #fault: Fault
  #buffered = ''
  /** Bytes of the request body that are still to come. */
  #due = 0
  #hasResponded = false
  #timer: NodeJS.Timeout | undefined

  constructor(socket: Socket, fault: Fault) {
    this.#socket = socket
    this.#fault = fault
    socket.on('close', () => clearInterval(this.#timer))
    socket.on('data', chunk => this.#read(chunk as Buffer))
    fault.onConnect?.(this)
  }

  /** False after a complete request and response: then the gateway may keep the connection. */
  get isBusy(): boolean {
    return !this.#hasResponded || this.#due > 0
  }

  headers(framing = `content-length: ${this.body().length}`, status = 200): string {
    return `HTTP/1.1 ${status} Whatever\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`
  }

  body(): string {
    return bodyOf(this.path)
  }

  write(text: string): void {
    this.#socket.write(text, 'latin1')
  }

  /** Writes a complete response. */
  respond(text: string): void {
    this.write(text)
    this.#hasResponded = true
  }

  trickle(text: string, ms: number): void {
    let at = 0
    this.#timer = setInterval(() => {
      this.write(text[at++] as string)
      if (at < text.length) return
      clearInterval(this.#timer)
      this.#hasResponded = true
    }, ms)
  }

  /** Sends a FIN and keeps reading. */
  finish(text: string): void {
    this.#socket.end(text, 'latin1')
  }

  close(text: string): void {
    this.#socket.end(text, 'latin1', () => this.#socket.destroy())
  }

  reset(): void {
    this.#socket.resetAndDestroy()
  }

  #read(chunk: Buffer): void {
    if (this.#due > 0) {
      this.#readBody(chunk.length)
      return
    }
    this.#buffered += chunk.toString('latin1')
    const end = this.#buffered.indexOf('\r\n\r\n')
    if (end === -1) return
    const text = this.#buffered
    this.#buffered = ''
    const [method = '', path = ''] = text.split(' ', 2)
    this.method = method
    this.path = path
    this.requests++
    this.#hasResponded = false
    this.#due = Number(/\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end))?.[1] ?? 0)
    const bodyBytes = text.length - end - 4
    if (this.#fault.onHeaders?.(this)) {
      this.#due -= bodyBytes
      this.#socket.pause()
      // Read again later, to see when the gateway closes the connection.
      setTimeout(() => this.#socket.resume(), UNREAD).unref()
      return
    }
    this.#readBody(bodyBytes)
  }

  #readBody(bytes: number): void {
    this.#due -= bytes
    if (this.#due > 0) return
    this.#due = 0
    if (this.#fault.onRequest) this.#fault.onRequest(this)
    else this.respond(this.headers() + this.body())
  }
}
