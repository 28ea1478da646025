import type { Duplex } from 'node:stream'
import { type CloseCode, closeFrame, createFrameReader, type FrameReader } from './frames.ts'

export interface TunnelOptions {
  /** Bytes of a message. */
  maxMessage: number
  /** Milliseconds without a byte from either side. */
  idleTimeout: number
}

export interface Tunnel {
  /** Sends both sides a close frame (1001), between two frames, and ends. */
  close(): void
  /** The same, with 1008 for the client, whose token is not good any more. */
  expire(): void
}

/** How it ended. `code`: of the first close frame, whoever sent it; 1006 if there was none. */
export interface TunnelEnd {
  code: number
  /** Bytes from the client, frames included. */
  bytesReceived: number
  /** Bytes to the client. */
  bytesSent: number
}

/** Milliseconds for both sides to end, once either has, or has been told to. */
const CLOSE_TIMEOUT = 5_000

const REASONS: Partial<Record<CloseCode, string>> = { 1008: 'Token expired' }

interface Side {
  socket: Duplex
  /** Of what it sends. */
  reader: FrameReader
  passed: number
  /** Its close frame is still to be sent: one of its peer's frames is half way. */
  owed: CloseCode | undefined
}

/** Joins a client and a service that have agreed to speak WebSocket. Each is read no faster than the other takes it. */
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
    // Its service may have left before the client had the answer.
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
    // Only who did it is told what; to the other, we are leaving.
    tell(service, client, client.reader.fault ?? why)
    tell(client, service, service.reader.fault ?? 1001)
    startEnding()
  }

  /** Closes toward `to`, once the frame that `from` is sending it has passed. */
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
    // What is paused would never see its end.
    client.socket.resume()
    service.socket.resume()
  }
}

function ignore(): void {}
