import { once } from 'node:events'
import { Readable } from 'node:stream'
import { Client } from 'undici'
import type { Cluster, ClusterWorker } from './cluster-types.ts'
import { watchWorkers } from './watch-workers.ts'

/** Characters that may wait for the reader. Beyond, workers are not read, and drop and count exchanges themselves. */
const MAX_WAITING = 262_144
/** Characters of an incomplete line. */
const MAX_LINE = 1_048_576

/**
 * Returns a stream of the exchanges of all workers as they end, including workers that start later, until the reader closes
 * it.
 * @param path of the stream of a single worker
 * @param frame turns a line of JSON into text of the stream
 */
export function followAll(cluster: Cluster, path: string, frame: (json: string) => string): Readable {
  const followed = new Map<number, AbortController>()
  const stream = new Readable({ read: () => void stream.emit('wanted') })
  const stop = watchWorkers(cluster, worker => {
    if (worker.state !== 'starting' && !followed.has(worker.id)) follow(worker)
  })
  stream.once('close', () => {
    stop()
    for (const leave of followed.values()) leave.abort()
  })
  // Causes the response headers to be sent.
  stream.push('\n')
  return stream

  /** Follows a worker until it ends or fails; watchWorkers then follows it again. */
  async function follow({ id, socket }: ClusterWorker): Promise<void> {
    const leave = new AbortController()
    followed.set(id, leave)
    let isRejected = false
    const client = new Client('http://localhost', { socketPath: socket, bodyTimeout: 0 })
    try {
      const { statusCode, body } = await client.request({ method: 'GET', path, signal: leave.signal })
      // The worker has too many readers; do not ask it again.
      isRejected = statusCode !== 200
      if (isRejected) return
      let rest = ''
      for await (const chunk of body.setEncoding('utf8')) {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() as string
        if (rest.length > MAX_LINE) return
        for (const line of lines) stream.push(line === '' ? '\n' : frame(line))
        if (stream.readableLength > MAX_WAITING) await once(stream, 'wanted', { signal: leave.signal })
      }
    } catch {
      // The worker has ended, or the reader has closed the stream.
    } finally {
      client.destroy().catch(() => {})
      if (!isRejected) followed.delete(id)
    }
  }
}
