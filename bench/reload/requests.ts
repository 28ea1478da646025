import { Agent, request } from 'node:http'
import type { Counter } from './tally.ts'

const UPLOAD = Buffer.alloc(1_048_576, 'x')

/**
 * Clients that each keep one connection for as long as the gateway lets them, and one request under way on it. Nothing is
 * ever sent twice: a request on a connection that is closed under it has failed.
 */
export function createClients(url: string, count: number, counter: Counter): (kind: Kind) => void {
  const free = Array.from({ length: count }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
  const waiting: Kind[] = []

  return ask

  /** At once, or as soon as a client is free. */
  function ask(kind: Kind): void {
    if (kind === 'new') return void send(url, kind, undefined, counter)
    const agent = free.shift()
    if (agent === undefined) waiting.push(kind)
    else
      send(url, kind, agent, counter).then(() => {
        free.push(agent)
        const next = waiting.shift()
        if (next !== undefined) ask(next)
      })
  }
}

export type Kind = 'plain' | 'composed' | 'upload' | 'new'

function send(url: string, kind: Kind, agent: Agent | undefined, counter: Counter): Promise<void> {
  const isUpload = kind === 'upload'
  const path = kind === 'new' ? 'plain' : kind
  const sentAt = performance.now()
  return new Promise(resolve => {
    const asked = request(`${url}/${path}`, {
      method: isUpload ? 'POST' : 'GET',
      agent: agent ?? false,
      headers: isUpload ? { 'content-type': 'application/octet-stream', 'content-length': UPLOAD.length } : {}
    })
    const fail = (error: NodeJS.ErrnoException) => {
      const on = asked.reusedSocket ? 'on a kept connection' : 'on a new connection'
      counter.failed(kind, `${error.code ?? error.message} ${on}`, `after ${performance.now() - sentAt} ms`)
      resolve()
    }
    asked.once('error', fail)
    asked.once('response', response => {
      let text = ''
      response.setEncoding('latin1')
      response.on('data', chunk => {
        text += chunk
      })
      response.once('error', fail)
      response.once('end', () => {
        const { statusCode, headers } = response
        if (statusCode !== 200) counter.failed(kind, String(statusCode), text)
        else if (!isWhole(kind, text)) counter.failed(kind, 'another answer', text)
        else counter.done(kind, performance.now() - sentAt, headers['x-edition'] as string)
        if (headers.connection === 'close') counter.saw('connections that were told to end')
        resolve()
      })
    })
    asked.end(isUpload ? UPLOAD : undefined)
  })
}

function isWhole(kind: Kind, text: string): boolean {
  if (kind === 'upload') return text === `{"size":${UPLOAD.length}}`
  return text.endsWith('}') && text.includes('"id":"1"')
}
