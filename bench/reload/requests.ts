import { Agent, request } from 'node:http'
import type { LoadRecorder } from './load-stats.ts'

const UPLOAD = Buffer.alloc(1_048_576, 'x')
const UPLOAD_HEADERS = { 'content-type': 'application/octet-stream', 'content-length': UPLOAD.length }

export type Kind = 'plain' | 'composed' | 'upload' | 'new'

/**
 * Creates `count` clients with one connection each, which they keep as long as the gateway allows, and one request at a
 * time. Requests are never retried: one that fails because its connection was closed has failed. Returns a function that
 * sends a request with the next free client; `new` uses a new connection.
 */
export function createClients(url: string, count: number, recorder: LoadRecorder): (kind: Kind) => void {
  const free = Array.from({ length: count }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
  const waiting: Kind[] = []

  return sendWhenFree

  function sendWhenFree(kind: Kind): void {
    if (kind === 'new') return void send(url, kind, undefined, recorder)
    const agent = free.shift()
    if (agent === undefined) waiting.push(kind)
    else
      send(url, kind, agent, recorder).then(() => {
        free.push(agent)
        const next = waiting.shift()
        if (next !== undefined) sendWhenFree(next)
      })
  }
}

function send(url: string, kind: Kind, agent: Agent | undefined, recorder: LoadRecorder): Promise<void> {
  const isUpload = kind === 'upload'
  const path = kind === 'new' ? 'plain' : kind
  const sentAt = performance.now()
  return new Promise(resolve => {
    const outgoing = request(`${url}/${path}`, {
      method: isUpload ? 'POST' : 'GET',
      agent: agent ?? false,
      headers: isUpload ? UPLOAD_HEADERS : {}
    })
    const fail = (error: NodeJS.ErrnoException) => {
      const on = outgoing.reusedSocket ? 'on a reused connection' : 'on a new connection'
      recorder.failed(kind, `${error.code ?? error.message} ${on}`, `after ${performance.now() - sentAt} ms`)
      resolve()
    }
    outgoing.once('error', fail)
    outgoing.once('response', response => {
      let text = ''
      response.setEncoding('latin1')
      response.on('data', chunk => {
        text += chunk
      })
      response.once('error', fail)
      response.once('end', () => {
        const { statusCode, headers } = response
        if (statusCode !== 200) recorder.failed(kind, String(statusCode), text)
        else if (!isComplete(kind, text)) recorder.failed(kind, 'an unexpected body', text)
        else recorder.done(kind, performance.now() - sentAt, headers['x-config'] as string)
        if (headers.connection === 'close') recorder.event('responses with Connection: close')
        resolve()
      })
    })
    outgoing.end(isUpload ? UPLOAD : undefined)
  })
}

function isComplete(kind: Kind, text: string): boolean {
  if (kind === 'upload') return text === `{"size":${UPLOAD.length}}`
  return text.endsWith('}') && text.includes('"id":"1"')
}
