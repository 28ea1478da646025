import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from '../http/node-internals.ts'
import type { ClusterWorker } from './cluster-types.ts'

export interface WorkerRequest {
  /** Default: GET. */
  method?: 'GET' | 'POST' | 'DELETE'
  headers?: Record<string, string>
  body?: string
  /** Ends the request and the reading of its response. */
  signal: AbortSignal
}

/** Bytes of a response body: twice those of a full recorder. */
const MAX_BODY = 268_435_456

/**
 * Sends a request to a worker's admin API, on its Unix socket. The response's body is left to read. Uses Node's client,
 * since undici would add 20 MiB to the supervisor.
 */
export async function requestWorker(
  { socket }: ClusterWorker,
  path: string,
  { method = 'GET', headers, body, signal }: WorkerRequest
): Promise<IncomingMessage> {
  const sent = request({ socketPath: socket, path, method, headers, signal, agent: false })
  const received = once(sent, 'response')
  // After the response, Node reports errors on it and may report them here too.
  sent.on('error', () => {})
  sent.end(body)
  const [response] = await received
  return response
}

/** @throws if the body exceeds `MAX_BODY` or its connection breaks. */
export async function readBody(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    size += chunk.length
    if (size > MAX_BODY) throw new Error(`the response exceeds ${MAX_BODY} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
