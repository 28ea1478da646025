import { request } from 'node:http'
import { WebSocket } from 'ws'
import type { Counter } from './tally.ts'

/** Milliseconds between two messages on a WebSocket. */
const SAY_EVERY = 250
/** Milliseconds for a message to come back. */
const HEARD_WITHIN = 10_000

/** A WebSocket that is opened anew whenever the gateway says that it goes away (1001). Any other end is a failure. */
export function keepWebSocket(url: string, counter: Counter, isOver: () => boolean): void {
  const startedAt = performance.now()
  const socket = new WebSocket(`${url.replace('http', 'ws')}/echo`)
  let isOpen = false
  let saidAt = 0
  let timer: NodeJS.Timeout | undefined
  let error = ''
  socket.on('open', () => {
    isOpen = true
    counter.done('handshake', performance.now() - startedAt)
    say()
  })
  socket.on('message', () => {
    const now = performance.now()
    counter.done('message', now - saidAt)
    clearTimeout(timer)
    timer = setTimeout(say, SAY_EVERY)
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
    if (isOpen && code === 1001 && error === '') counter.saw('WebSockets closed with 1001')
    else counter.failed('WebSocket', isOpen ? `closed with ${code} ${error}` : `handshake ${error || code}`)
    keepWebSocket(url, counter, isOver)
  })

  function say(): void {
    saidAt = performance.now()
    socket.send('hello')
    timer = setTimeout(() => {
      counter.failed('WebSocket', 'a message did not come back')
      socket.terminate()
    }, HEARD_WITHIN)
  }
}

/** An event stream that is opened anew whenever it ends. A reset, or an end before the first event, is a failure. */
export function keepEvents(url: string, counter: Counter, isOver: () => boolean): void {
  const startedAt = performance.now()
  let events = 0
  let isReset = false
  let status = 0
  const asked = request(`${url}/events`, { agent: false })
  asked.on('socket', socket =>
    socket.on('error', (error: NodeJS.ErrnoException) => {
      isReset ||= error.code === 'ECONNRESET' && error.syscall === 'read'
    })
  )
  asked.on('response', response => {
    status = response.statusCode as number
    response.on('data', () => {
      if (events++ === 0) counter.done('event stream', performance.now() - startedAt)
    })
    response.on('error', () => {})
  })
  asked.on('error', (error: NodeJS.ErrnoException) => {
    if (status === 0 && !isOver()) counter.failed('event stream', error.code ?? error.message)
  })
  asked.on('close', () => {
    if (isOver()) return
    if (isReset) counter.failed('event stream', 'reset')
    else if (status !== 0 && status !== 200) counter.failed('event stream', String(status))
    else if (status === 200 && events === 0) counter.failed('event stream', 'ended before its first event')
    else if (status === 200) counter.saw('event streams ended')
    setTimeout(keepEvents, 10, url, counter, isOver)
  })
  asked.end()
}
