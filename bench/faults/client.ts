import { type Agent, request } from 'node:http'
import { bodyOf } from './peer.ts'

/** What a client saw of one exchange. */
export interface Seen {
  /** `cut`: an answer that began and was not ended; `none`: not even a head. */
  status: number | 'cut' | 'none'
  /** Milliseconds to its end. */
  ms: number
  body: string
  headers: Record<string, unknown>
}

/** The ways in which a service's answer reaches a client. */
export const WAYS = ['small', 'large', 'optional', 'required', 'upload'] as const
export type Way = (typeof WAYS)[number]

/** More than the system takes off a sender's hands. */
export const UPLOAD = Buffer.alloc(8_388_608, 'u')

/** One exchange over a connection that is kept, with `agent`. */
export function exchange(base: string, way: Way, agent: Agent): Promise<Seen> {
  const startedAt = performance.now()
  const isUpload = way === 'upload'
  return new Promise(resolve => {
    let body = ''
    const end = (status: Seen['status'], headers: Seen['headers'] = {}) =>
      resolve({ status, ms: performance.now() - startedAt, body, headers })
    const outgoing = request(`${base}/${way}`, {
      agent,
      method: isUpload ? 'POST' : 'GET',
      headers: isUpload ? { 'content-type': 'application/octet-stream', 'content-length': UPLOAD.length } : {}
    })
    outgoing.on('error', () => end('none'))
    outgoing.on('response', incoming => {
      incoming.setEncoding('latin1')
      incoming.on('data', chunk => {
        body += chunk
      })
      incoming.on('error', () => {})
      incoming.on('close', () =>
        end(incoming.complete ? (incoming.statusCode as number) : 'cut', incoming.headers)
      )
    })
    outgoing.end(isUpload ? UPLOAD : undefined)
  })
}

/** True if an answer that ended well is the one that the service gives when it is well. */
export function isWhole(way: Way, { body }: Seen): boolean {
  if (way !== 'optional' && way !== 'required') return body === bodyOf(way)
  return body.startsWith('{"well":{"id":"1"')
}

/** Connections of an agent, kept or in use. */
export function connectionsOf({ sockets, freeSockets }: Agent): { idle: number; busy: number } {
  const count = (all: typeof sockets) =>
    Object.values(all).reduce((sum, each) => sum + (each?.length ?? 0), 0)
  return { idle: count(freeSockets as typeof sockets), busy: count(sockets) }
}
