import type { Socket } from 'node:net'
import type { Fault } from './faults.ts'

/** Of an answer that is large. */
export const LARGE = 1_048_576
const SMALL = '{"id":"1","text":"an answer of a usual size"}'

/** Milliseconds for which what is not to be read is not read. */
const UNREAD = 1_500

/** What the path asks for. */
export function bodyOf(path: string): string {
  return path.includes('large') ? 'x'.repeat(LARGE) : SMALL
}

/** One connection of an injector: reads requests (of a known length), answers as its fault has it. */
export class Peer {
  method = ''
  path = ''
  /** Requests of which the head has come. */
  requests = 0
  #socket: Socket
  #fault: Fault
  #head = ''
  #due = 0
  #isAnswered = false
  #timer: NodeJS.Timeout | undefined

  constructor(socket: Socket, fault: Fault) {
    this.#socket = socket
    this.#fault = fault
    socket.on('close', () => clearInterval(this.#timer))
    socket.on('data', chunk => this.#read(chunk as Buffer))
    fault.onConnect?.(this)
  }

  /** True unless a whole request has come and has its whole answer: then the connection may be kept. */
  get isBusy(): boolean {
    return !this.#isAnswered || this.#due > 0
  }

  head(framing = `content-length: ${this.body().length}`, status = 200): string {
    return `HTTP/1.1 ${status} Whatever\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`
  }

  body(): string {
    return bodyOf(this.path)
  }

  write(text: string): void {
    this.#socket.write(text, 'latin1')
  }

  /** With which the request has all that it asked for. */
  answer(text: string): void {
    this.write(text)
    this.#isAnswered = true
  }

  trickle(text: string, ms: number): void {
    let at = 0
    this.#timer = setInterval(() => {
      this.write(text[at++] as string)
      if (at < text.length) return
      clearInterval(this.#timer)
      this.#isAnswered = true
    }, ms)
  }

  /** Says no more, and listens on. */
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
      this.#take(chunk.length)
      return
    }
    this.#head += chunk.toString('latin1')
    const end = this.#head.indexOf('\r\n\r\n')
    if (end === -1) return
    const head = this.#head
    this.#head = ''
    const [method = '', path = ''] = head.split(' ', 2)
    this.method = method
    this.path = path
    this.requests++
    this.#isAnswered = false
    this.#due = Number(/\r\ncontent-length: *(\d+)/i.exec(head.slice(0, end))?.[1] ?? 0)
    if (this.#fault.onHead?.(this)) {
      this.#due -= head.length - end - 4
      this.#socket.pause()
      // Then only to see what the other side does.
      setTimeout(() => this.#socket.resume(), UNREAD).unref()
      return
    }
    this.#take(head.length - end - 4)
  }

  #take(bytes: number): void {
    this.#due -= bytes
    if (this.#due > 0) return
    this.#due = 0
    if (this.#fault.onRequest) this.#fault.onRequest(this)
    else this.answer(this.head() + this.body())
  }
}
