import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Ending } from './harness.ts'

/** A Redis over TCP with responses chosen by the test, byte by byte. */
export interface FakeRedis {
  url: string
  /** Connections since the start. */
  readonly connections: number
  /** Commands since the start, such as `EVALSHA`. */
  readonly commands: string[]
}

/** `answer` gets the command with its arguments and the connection's number. Undefined: respond like Redis. */
export async function startFakeRedis(
  t: Ending,
  answer: (words: string[], connection: number) => string | Buffer | undefined
): Promise<FakeRedis> {
  const sockets = new Set<Socket>()
  const commands: string[] = []
  let connections = 0
  const server = createServer(socket => {
    const number = ++connections
    let text = ''
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      for (;;) {
        const command = readCommand(text)
        if (command === undefined) return
        text = text.slice(command.length)
        commands.push(command.words[0] as string)
        socket.write(answer(command.words, number) ?? usual(command.words))
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    commands,
    get connections() {
      return connections
    }
  }
}

/** Allows the request, with one left for each limit and a reset in one second. */
export function allowing(words: string[]): string {
  const limits = Number(words[2])
  return `*${limits * 3}\r\n${':1\r\n:1\r\n:1000\r\n'.repeat(limits)}`
}

export function isScript([name = '']: string[]): boolean {
  return /^evalsha$|^eval$/i.test(name)
}

function usual(words: string[]): string {
  const name = (words[0] as string).toUpperCase()
  if (name === 'HELLO') return "-ERR unknown command 'HELLO'\r\n"
  if (name === 'INFO') return '$26\r\nredis_version:7\r\nloading:0\r\n'
  if (name === 'PING') return '+PONG\r\n'
  return isScript(words) ? allowing(words) : '+OK\r\n'
}

/** Parses a command, which is an array of bulk strings. */
function readCommand(text: string): { words: string[]; length: number } | undefined {
  const count = /^\*(\d+)\r\n/.exec(text)
  if (count === null) return undefined
  let at = count[0].length
  const words: string[] = []
  for (let i = 0; i < Number(count[1]); i++) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at, at + 20))
    if (size === null) return undefined
    const start = at + size[0].length
    at = start + Number(size[1]) + 2
    if (text.length < at) return undefined
    words.push(text.slice(start, at - 2))
  }
  return { words, length: at }
}
