import { Readable } from 'node:stream'

/**
 * Sends the state of several topics to readers as server-sent events. One poll serves all readers, and nothing is polled
 * without readers. A reader that is slow skips states: only the latest of each topic waits for it. A state that has not
 * changed is not sent again; the event `poll` tells that it was read: `{ at, failed }`, epoch ms and the topics that
 * could not be read.
 */
export interface EventStream<Topic extends string> {
  /** Returns a stream of text for a reader, or undefined if there are too many readers. */
  follow(topics: readonly Topic[]): Readable | undefined
  /** Ends the streams of all readers. */
  close(): void
}

export interface EventStreamOptions {
  /** Milliseconds between two polls. */
  interval: number
  /** Milliseconds after which a stream ends. Its reader connects again, and access is checked again. */
  maxAge: number
  maxReaders: number
}

interface Reader<Topic> {
  stream: Readable
  topics: ReadonlySet<Topic>
  /** The last event of each topic that was sent. */
  sent: Map<Topic, string>
  /** True while the reader waits for an event. */
  isIdle: boolean
  /** Number of the last poll that it was told of. */
  poll: number
  endsAt: number
}

/** Milliseconds that a reader has for its last event. */
const GRACE = 15_000

/** @param sources functions that return the state of a topic; a topic whose function fails is skipped until the next poll */
export function createEventStream<Topic extends string>(
  sources: Record<Topic, () => unknown>,
  { interval, maxAge, maxReaders }: EventStreamOptions
): EventStream<Topic> {
  const readers = new Set<Reader<Topic>>()
  /** The latest event of each topic that is polled. */
  const latest = new Map<Topic, string>()
  const failed = new Set<Topic>()
  let polls = 0
  let polledAt = 0
  let timer: NodeJS.Timeout | undefined
  let polling: Promise<void> | undefined

  return {
    follow(topics) {
      if (readers.size >= maxReaders) return undefined
      // The mark lets one event at a time wait in the stream.
      const stream = new Readable({ highWaterMark: 1, read: () => resume(reader) })
      const reader: Reader<Topic> = {
        stream,
        topics: new Set(topics),
        sent: new Map(),
        isIdle: false,
        poll: polls,
        endsAt: performance.now() + maxAge
      }
      readers.add(reader)
      stream.once('close', () => leave(reader))
      // Has Fastify send the response headers.
      stream.push(`retry: ${interval}\n\n`)
      timer ??= setInterval(poll, interval).unref()
      // A poll that runs may not include the topics of this reader.
      if (polling === undefined) poll()
      else polling.then(poll)
      return stream
    },
    close() {
      for (const reader of readers) end(reader, true)
    }
  }

  /** Ends a stream that waits for an event. `isForced`: cuts it off if its reader does not take the last one. */
  function end(reader: Reader<Topic>, isForced: boolean): void {
    if (reader.isIdle) reader.stream.push(null)
    else if (isForced) reader.stream.destroy()
    else return
    leave(reader)
  }

  function leave(reader: Reader<Topic>): void {
    if (!readers.delete(reader) || readers.size > 0) return
    clearInterval(timer)
    timer = undefined
    latest.clear()
  }

  /** Polls what readers want. While a poll runs, no other starts. */
  function poll(): void {
    polling ??= pollAll().finally(() => {
      polling = undefined
    })
  }

  async function pollAll(): Promise<void> {
    const wanted = new Set([...readers].flatMap(({ topics }) => [...topics]))
    for (const topic of latest.keys()) if (!wanted.has(topic)) latest.delete(topic)
    failed.clear()
    await Promise.all([...wanted].map(update))
    polls++
    polledAt = Date.now()
    const now = performance.now()
    for (const reader of readers) {
      if (now >= reader.endsAt) end(reader, now >= reader.endsAt + GRACE)
      else if (reader.isIdle) resume(reader)
    }
  }

  async function update(topic: Topic): Promise<void> {
    try {
      latest.set(topic, eventOf(topic, await sources[topic]()))
    } catch {
      failed.add(topic)
      return
    }
    for (const reader of readers) if (reader.isIdle) resume(reader)
  }

  /** Sends the latest event of one topic that the reader has not got yet, and then that of the poll. */
  function resume(reader: Reader<Topic>): void {
    reader.isIdle = true
    for (const topic of reader.topics) {
      const event = latest.get(topic)
      if (event === undefined || event === reader.sent.get(topic)) continue
      reader.sent.set(topic, event)
      write(reader, event)
      return
    }
    if (reader.poll === polls) return
    reader.poll = polls
    write(
      reader,
      eventOf('poll', { at: polledAt, failed: [...failed].filter(topic => reader.topics.has(topic)) })
    )
  }

  function write(reader: Reader<Topic>, text: string): void {
    reader.isIdle = false
    reader.stream.push(text)
  }
}

function eventOf(topic: string, data: unknown): string {
  return `event: ${topic}\ndata: ${JSON.stringify(data)}\n\n`
}
