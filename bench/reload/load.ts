import { LoadRecorder } from './load-stats.ts'
import { createClients, type Kind } from './requests.ts'
import { keepDownloading, keepEventStreamOpen, keepWebSocketOpen } from './streams.ts'

/** A load process; LOAD has `LoadOptions` in JSON. Sends `LoadStats` since the last message on each message. */
export interface LoadOptions {
  url: string
  /** Requests per second. */
  rate: number
  connections: number
  webSockets: number
  eventStreams: number
  /** Slow downloads at a time. */
  downloads: number
}

/** Out of 100 requests; the rest is `plain`. */
const MIX: [Kind, number][] = [
  ['composed', 12],
  ['new', 8],
  ['upload', 1]
]

const { url, rate, connections, webSockets, eventStreams, downloads } = JSON.parse(
  process.env.LOAD as string
) as LoadOptions
const recorder = new LoadRecorder()
const send = createClients(url, connections, recorder)
let isOver = false
for (let i = 0; i < webSockets; i++) keepWebSocketOpen(url, recorder, () => isOver)
for (let i = 0; i < eventStreams; i++) keepEventStreamOpen(url, recorder, () => isOver)
for (let i = 0; i < downloads; i++) keepDownloading(url, recorder, () => isOver)

const kinds = MIX.flatMap(([kind, count]) => Array<Kind>(count).fill(kind))
let startedAt = performance.now()
let sent = 0
setInterval(() => {
  if (isOver) return
  const due = ((performance.now() - startedAt) / 1_000) * rate
  // After a stall of this process, continue at the rate instead of catching up with a burst.
  if (due - sent > rate / 10) {
    recorder.event('stalls of the load process')
    startedAt = performance.now()
    sent = 0
    return
  }
  for (; sent < due; sent++) send(kinds[(sent * 37) % 100] ?? 'plain')
}, 4)

process.on('message', (message: 'take' | 'stop') => {
  if (message === 'stop') isOver = true
  process.send?.(recorder.take())
})
process.on('SIGTERM', () => process.exit())
process.on('disconnect', () => process.exit())
process.send?.({ port: 0 })
