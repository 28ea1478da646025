import { type Agent, request } from 'node:http'
import { bodyOf } from './faulty-connection.ts'

/** One exchange as seen by the client. */
export interface ObservedResponse {
  /** `aborted`: the response started and did not complete. `none`: no response headers. */
  status: number | 'aborted' | 'none'
  /** Milliseconds until the exchange ended. */
  ms: number
  body: string
  headers: Record<string, unknown>
}

/** How the gateway delivers a service's response: forwarded, streamed, as a part of a composition, or for an upload. */
export const DELIVERIES = ['small', 'large', 'optional', 'required', 'upload'] as const
export type Delivery = (typeof DELIVERIES)[number]

/** Larger than the system's socket buffers. */
export const UPLOAD = Buffer.alloc(8_388_608, 'u')
const UPLOAD_HEADERS = { 'content-type': 'application/octet-stream', 'content-length': UPLOAD.length }

/** Sends one request through `agent`, which keeps connections. */
export function sendRequest(base: string, delivery: Delivery, agent: Agent): Promise<ObservedResponse> {
  const startedAt = performance.now()
  const isUpload = delivery === 'upload'
  return new Promise(resolve => {
    let body = ''
    const end = (status: ObservedResponse['status'], headers: ObservedResponse['headers'] = {}) =>
      resolve({ status, ms: performance.now() - startedAt, body, headers })
    const outgoing = request(`${base}/${delivery}`, {
      agent,
      method: isUpload ? 'POST' : 'GET',
      headers: isUpload ? UPLOAD_HEADERS : {}
    })
    outgoing.on('error', () => end('none'))
    outgoing.on('response', incoming => {
      incoming.setEncoding('latin1')
      incoming.on('data', chunk => {
        body += chunk
      })
      incoming.on('error', () => {})
      incoming.on('close', () =>
        end(incoming.complete ? (incoming.statusCode as number) : 'aborted', incoming.headers)
      )
    })
    outgoing.end(isUpload ? UPLOAD : undefined)
  })
}

/** Returns true if the body is the one that a healthy service sends. */
export function isComplete(delivery: Delivery, { body }: ObservedResponse): boolean {
  if (delivery !== 'optional' && delivery !== 'required') return body === bodyOf(delivery)
  return body.startsWith('{"healthy":{"id":"1"')
}

/** Counts an agent's connections. */
export function connectionsOf({ sockets, freeSockets }: Agent): { idle: number; busy: number } {
  const count = (all: typeof sockets) =>
    Object.values(all).reduce((sum, each) => sum + (each?.length ?? 0), 0)
  return { idle: count(freeSockets as typeof sockets), busy: count(sockets) }
}
