import type { Duplex } from 'node:stream'
import { type CloseCode, closeFrame, createFrameReader, type FrameReader } from './frames.ts'

export interface TunnelOptions {
  /** Bytes of a message. */
  maxMessage: number
  /** Milliseconds without a byte from either side. */
  idleTimeout: number
}

export interface Tunnel {
  /** Sends a close frame (1001) to both sides between two frames, and ends. */
  close(): void
  /** The same, with 1008 for the client, whose token has expired. */
  expire(): void
}

/** `code`: code of the first close frame of either side; 1006 without one. */
export interface TunnelEnd {
  code: number
  /** Bytes from the client, frames included. */
  bytesReceived: number
  /** Bytes to the client. */
  bytesSent: number
}

/** Milliseconds for both sides to end after one has ended or was closed. */
const CLOSE_TIMEOUT = 5_000

const REASONS: Partial<Record<CloseCode, string>> = { 1008: 'Token expired' }

interface Side {
  socket: Duplex
  /** Checks the frames that it sends. */
  reader: FrameReader
  passed: number
  /** True while its close frame waits for the end of a frame from the other side. */
  owed: CloseCode | undefined
}

/** Connects a client and a service after the handshake, with backpressure in both directions. */
export function createTunnel(
  clientSocket: Duplex,
  serviceSocket: Duplex,
  { maxMessage, idleTimeout }: TunnelOptions,
  onEnd: (end: TunnelEnd) => void
): Tunnel {
  const client = createSide(clientSocket, true)
  const service = createSide(serviceSocket, false)
  let ending: NodeJS.Timeout | undefined
  let code: number | undefined
  let open = 2
  const idle = setTimeout(leave, idleTimeout)

  join(client, service)
  join(service, client)
  return { close: leave, expire: () => close(1008) }

  function createSide(socket: Duplex, isMasked: boolean): Side {
    return { socket, reader: createFrameReader(isMasked, maxMessage), passed: 0, owed: undefined }
  }

  function join(from: Side, to: Side): void {
    const { socket, reader } = from
    socket.on('data', (chunk: Buffer) => {
      idle.refresh()
      const passing = reader.read(chunk)
      from.passed += passing.length
      if (passing.length > 0 && to.socket.writable && !to.socket.write(passing)) socket.pause()
      if (to.owed !== undefined && reader.isBetween) endWith(to, to.owed)
      code ??= reader.closeCode
      if (reader.fault !== undefined) leave()
    })
    to.socket.on('drain', () => socket.resume())
    socket.on('end', () => end(to))
    socket.on('error', ignore)
    // The service may have disconnected before the client had the response.
    if (socket.closed) process.nextTick(ended, to)
    else socket.on('close', () => ended(to))
    socket.resume()
  }

  function ended(to: Side): void {
    end(to)
    if (--open > 0) return
    clearTimeout(idle)
    clearTimeout(ending)
    onEnd({ code: code ?? 1006, bytesReceived: client.passed, bytesSent: service.passed })
  }

  function leave(): void {
    close(1001)
  }

  function close(why: CloseCode): void {
    code ??= client.reader.fault ?? service.reader.fault ?? why
    // The offending side gets the code; the other one gets 1001.
    tell(service, client, client.reader.fault ?? why)
    tell(client, service, service.reader.fault ?? 1001)
    startEnding()
  }

  /** Closes towards `to` after the current frame of `from`. */
  function tell(from: Side, to: Side, why: CloseCode): void {
    from.reader.stop()
    if (from.reader.isBetween) endWith(to, why)
    else to.owed ??= why
  }

  function endWith(to: Side, why: CloseCode): void {
    to.owed = undefined
    const { closeCode } = (to === client ? service : client).reader
    if (!to.socket.writable) return
    if (closeCode === undefined) to.socket.end(closeFrame(why, to === service, REASONS[why]))
    else to.socket.end()
  }

  function end(to: Side): void {
    if (to.socket.writable) to.socket.end()
    startEnding()
  }

  function startEnding(): void {
    ending ??= setTimeout(() => {
      client.socket.destroy()
      service.socket.destroy()
    }, CLOSE_TIMEOUT)
    // A paused socket would not notice its end.
    client.socket.resume()
    service.socket.resume()
  }
}

function ignore(): void {}
