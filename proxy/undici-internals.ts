import type { Socket } from 'node:net'
import { type buildConnector, Client, type Dispatcher } from 'undici'
import { createInvalidResponse } from './errors.ts'
import { MAX_INTERIM_RESPONSES } from './response-framing.ts'

/**
 * Connections to HTTP/1.1 services. undici 8.13 completes a close-delimited response whose connection was reset, reads
 * `HTTP/2.0`, `HTTP/0.9` and `RTSP/1.0` as HTTP/1.1, takes chunks in HTTP/1.0, and fails a call on `100 Continue`.
 * These clients look at the bytes before undici does (docs/decisions/0028).
 */
export class Http1Client extends Client {
  #heads: ResponseHeads | undefined

  constructor(origin: URL, options: Client.Options & { connect: buildConnector.connector }) {
    const { connect, maxHeaderSize = DEFAULT_LIMIT } = options
    super(origin, {
      ...options,
      connect: (target, callback) =>
        connect(target, (error, socket) => {
          if (error !== null) return callback(error, null)
          this.#heads = new ResponseHeads(socket, maxHeaderSize)
          socket.on('error', keepReset)
          callback(null, socket)
        })
    })
  }

  // A client carries one request at a time, so the next bytes are its response.
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.#heads?.expect()
    return super.dispatch(options, handler)
  }
}

/** Returns true for messages of undici about a response that is not HTTP. A retry would fail the same way. */
export function isNotHttp(message: string | undefined): boolean {
  return message === 'bad response' || message === 'bad upgrade'
}

/** Node's default for a header section, in bytes. */
const DEFAULT_LIMIT = 16_384
/** Bytes of `HTTP/1.1 200`. */
const STATUS_LENGTH = 12
const STATUS = /^HTTP\/1\.([01]) (\d{3})/
const TRANSFER_ENCODING = /\r\ntransfer-encoding[ \t]*:/i
const HEAD_END = '\r\n\r\n'
const CR = 13
const LF = 10

/** undici takes ECONNRESET for the end of a close-delimited response (RFC 9112, 8: it is incomplete). */
function keepReset(error: NodeJS.ErrnoException): void {
  if (error.code === 'ECONNRESET') error.code = 'ECONNABORTED'
}

/** Checks the status line of each response on a connection, and takes out `100 Continue`. */
class ResponseHeads {
  #socket: Socket
  #push: (chunk: Buffer | null) => boolean
  #limit: number
  #isExpected = true
  #isUpgraded = false
  #interim = 0
  #held: Buffer | undefined

  constructor(socket: Socket, maxHeaderSize: number) {
    this.#socket = socket
    this.#push = socket.push.bind(socket)
    // undici counts names and values, not the separators.
    this.#limit = maxHeaderSize * 4
    socket.push = chunk => this.#read(chunk as Buffer | null)
  }

  expect(): void {
    // This connection is no longer HTTP (RFC 9110, 7.8). undici opens a new one for the request.
    if (this.#isUpgraded) return
    this.#isExpected = true
    this.#interim = 0
  }

  #read(chunk: Buffer | null): boolean {
    if (!this.#isExpected || chunk === null) return this.#push(chunk)
    let bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = undefined
    for (;;) {
      const start = bytes.findIndex(isNoLineBreak)
      if (start === -1) return this.#hold(bytes)
      const text = bytes.toString('latin1', start, start + STATUS_LENGTH)
      if (text.length < STATUS_LENGTH && 'HTTP/1.'.startsWith(text.slice(0, 7))) return this.#hold(bytes)
      const [, minor, status = ''] = STATUS.exec(text) ?? []
      if (minor === undefined) return this.#refuse(`the service answered ${JSON.stringify(text)}`)
      const isInterim = status.startsWith('1') && status !== '101'
      if (status === '101') this.#isUpgraded = true
      if (!isInterim && minor === '1') break
      const end = bytes.indexOf(HEAD_END, start)
      if (end === -1) return this.#hold(bytes)
      // RFC 9112, 6.1: its framing is faulty.
      if (minor === '0' && TRANSFER_ENCODING.test(bytes.toString('latin1', start, end)))
        return this.#refuse('the service sent chunks in HTTP/1.0')
      if (!isInterim) break
      if (++this.#interim > MAX_INTERIM_RESPONSES)
        return this.#refuse(`the service sent more than ${MAX_INTERIM_RESPONSES} interim responses`)
      const next = end + HEAD_END.length
      // RFC 9110, 15.2: a client need not have asked for 100.
      if (status !== '100') this.#push(bytes.subarray(0, next))
      bytes = bytes.subarray(next)
    }
    this.#isExpected = false
    return this.#push(bytes)
  }

  #hold(bytes: Buffer): boolean {
    if (bytes.length > this.#limit) return this.#refuse('the header section is too large')
    this.#held = bytes
    return true
  }

  #refuse(why: string): boolean {
    this.#socket.destroy(createInvalidResponse(why))
    return false
  }
}

function isNoLineBreak(byte: number): boolean {
  return byte !== CR && byte !== LF
}
