import { connect } from 'node:net'
import type { Ending } from '../harness.ts'

/** A connection of its own, of which is seen what came of it. */
export interface RawClient {
  /** All that it was answered so far. */
  text(): string
  isConnected(): boolean
  isClosed(): boolean
  ask(path: string): void
}

/** Connects, and asks for `path` at once. */
export function ask(t: Ending, url: string, path: string): RawClient {
  const { hostname, port } = new URL(url)
  let text = ''
  let isConnected = false
  let isClosed = false
  const socket = connect(Number(port), hostname, () => {
    isConnected = true
  })
  socket.setEncoding('latin1').on('data', chunk => {
    text += chunk
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    isClosed = true
  })
  t.teardown(() => socket.destroy())
  const client: RawClient = {
    text: () => text,
    isConnected: () => isConnected,
    isClosed: () => isClosed,
    ask: path => void socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
  }
  client.ask(path)
  return client
}
