import { createClients, type Kind } from './requests.ts'
import { keepEvents, keepWebSocket } from './streams.ts'
import { Counter } from './tally.ts'

/** A load process: LOAD is `LoadOptions` in JSON. Tells its parent what it saw since it was last asked. */
export interface LoadOptions {
  url: string
  /** Requests a second. */
  rate: number
  connections: number
  sockets: number
  streams: number
}

/** Of a hundred requests. */
const MIX: [Kind, number][] = [
  ['composed', 12],
  ['new', 8],
  ['upload', 1]
]

const { url, rate, connections, sockets, streams } = JSON.parse(process.env.LOAD as string) as LoadOptions
const counter = new Counter()
const ask = createClients(url, connections, counter)
let isOver = false
for (let i = 0; i < sockets; i++) keepWebSocket(url, counter, () => isOver)
for (let i = 0; i < streams; i++) keepEvents(url, counter, () => isOver)

const kinds = MIX.flatMap(([kind, share]) => Array<Kind>(share).fill(kind))
let startedAt = performance.now()
let sent = 0
setInterval(() => {
  if (isOver) return
  const due = ((performance.now() - startedAt) / 1_000) * rate
  // Time in which this process stood still is not made up for by a flood.
  if (due - sent > rate / 10) {
    counter.saw('stalls of the load itself')
    startedAt = performance.now()
    sent = 0
    return
  }
  for (; sent < due; sent++) ask(kinds[(sent * 37) % 100] ?? 'plain')
}, 4)

process.on('message', (message: string) => {
  if (message === 'stop') isOver = true
  process.send?.(counter.take())
})
process.on('SIGTERM', () => process.exit())
process.on('disconnect', () => process.exit())
process.send?.({ port: 0 })
