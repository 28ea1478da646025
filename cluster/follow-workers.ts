import { once } from 'node:events'
import { Readable } from 'node:stream'
import type { Cluster, ClusterWorker } from './cluster-types.ts'
import { watchWorkers } from './watch-workers.ts'
import { requestWorker } from './worker-client.ts'

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
  async function follow(worker: ClusterWorker): Promise<void> {
    const { id } = worker
    const leave = new AbortController()
    followed.set(id, leave)
    let isRejected = false
    try {
      const response = await requestWorker(worker, path, { signal: leave.signal })
      // The worker has too many readers; do not ask it again.
      isRejected = response.statusCode !== 200
      if (isRejected) return void response.destroy()
      let rest = ''
      for await (const chunk of response.setEncoding('utf8')) {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() as string
        if (rest.length > MAX_LINE) return
        for (const line of lines) stream.push(line === '' ? '\n' : frame(line))
        if (stream.readableLength > MAX_WAITING) await once(stream, 'wanted', { signal: leave.signal })
      }
    } catch {
      // The worker has ended, or the reader has closed the stream.
    } finally {
      if (!isRejected) followed.delete(id)
    }
  }
}
