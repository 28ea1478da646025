import { request } from 'node:http'
import { WebSocket } from 'ws'
import type { LoadRecorder } from './load-stats.ts'

/** Milliseconds between two messages on a WebSocket. */
const MESSAGE_INTERVAL = 250
/** Milliseconds for a message to be echoed. */
const ECHO_TIMEOUT = 10_000

/** Keeps a WebSocket open; reopens it when the gateway closes it with 1001. Any other close is a failure. */
export function keepWebSocketOpen(url: string, recorder: LoadRecorder, isOver: () => boolean): void {
  const startedAt = performance.now()
  const socket = new WebSocket(`${url.replace('http', 'ws')}/echo`)
  let isOpen = false
  let sentAt = 0
  let timer: NodeJS.Timeout | undefined
  let error = ''
  socket.on('open', () => {
    isOpen = true
    recorder.done('handshake', performance.now() - startedAt)
    send()
  })
  socket.on('message', () => {
    recorder.done('message', performance.now() - sentAt)
    clearTimeout(timer)
    timer = setTimeout(send, MESSAGE_INTERVAL)
  })
  socket.on('unexpected-response', (_request, response) => {
    error = `status ${response.statusCode}`
    socket.terminate()
  })
  socket.on('error', (cause: NodeJS.ErrnoException) => {
    error ||= cause.code ?? cause.message
  })
  socket.on('close', code => {
    clearTimeout(timer)
    if (isOver()) return
    if (isOpen && code === 1001 && error === '') recorder.event('WebSockets closed with 1001')
    else recorder.failed('WebSocket', isOpen ? `closed with ${code} ${error}` : `handshake ${error || code}`)
    keepWebSocketOpen(url, recorder, isOver)
  })

  function send(): void {
    sentAt = performance.now()
    socket.send('hello')
    timer = setTimeout(() => {
      recorder.failed('WebSocket', 'a message was not echoed')
      socket.terminate()
    }, ECHO_TIMEOUT)
  }
}

/** Keeps an event stream open; reopens it when it ends. A reset, or an end before the first event, is a failure. */
export function keepEventStreamOpen(url: string, recorder: LoadRecorder, isOver: () => boolean): void {
  const startedAt = performance.now()
  let events = 0
  let isReset = false
  let status = 0
  const outgoing = request(`${url}/events`, { agent: false })
  outgoing.on('socket', socket =>
    socket.on('error', (error: NodeJS.ErrnoException) => {
      isReset ||= error.code === 'ECONNRESET' && error.syscall === 'read'
    })
  )
  outgoing.on('response', response => {
    status = response.statusCode as number
    response.on('data', () => {
      if (events++ === 0) recorder.done('event stream', performance.now() - startedAt)
    })
    response.on('error', () => {})
  })
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    if (status === 0 && !isOver()) recorder.failed('event stream', error.code ?? error.message)
  })
  outgoing.on('close', () => {
    if (isOver()) return
    if (isReset) recorder.failed('event stream', 'reset')
    else if (status !== 0 && status !== 200) recorder.failed('event stream', String(status))
    else if (status === 200 && events === 0) recorder.failed('event stream', 'ended before its first event')
    else if (status === 200) recorder.event('event streams ended')
    setTimeout(keepEventStreamOpen, 10, url, recorder, isOver)
  })
  outgoing.end()
}

/** Downloads slowly, one after the other. A download that is aborted or incomplete is a failure. */
export function keepDownloading(url: string, recorder: LoadRecorder, isOver: () => boolean): void {
  const startedAt = performance.now()
  const outgoing = request(`${url}/download`, { agent: false })
  let fault: string | undefined
  let expected = 0
  let received = 0
  outgoing.on('response', response => {
    expected = Number(response.headers['content-length'])
    if (response.statusCode !== 200) fault = String(response.statusCode)
    response.on('data', chunk => {
      received += chunk.length
    })
    response.on('error', (error: NodeJS.ErrnoException) => {
      fault = error.code
    })
  })
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    fault = error.code
  })
  outgoing.on('close', () => {
    if (isOver()) return
    if (fault === undefined && received === expected) recorder.done('download', performance.now() - startedAt)
    else recorder.failed('download', fault ?? `${received} of ${expected} bytes`)
    setTimeout(keepDownloading, 10, url, recorder, isOver)
  })
  outgoing.end()
}
