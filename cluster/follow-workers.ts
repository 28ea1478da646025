import { once } from 'node:events'
import { Readable } from 'node:stream'
import { Client } from 'undici'
import type { Cluster, ClusterWorker } from './cluster-types.ts'
import { watchWorkers } from './watch-workers.ts'

/** Characters that may wait for the reader; a worker that is not read from drops, and says how many. */
const MAX_WAITING = 262_144
/** Characters of a line that has not ended. */
const MAX_LINE = 1_048_576

/**
 * What all workers say of exchanges as they end, those too that come later: whole lines of JSON as `frame` has them, until
 * the reader leaves. `path`: of a worker's own stream.
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
  // So that the head goes out.
  stream.push('\n')
  return stream

  /** One that fails, or has only begun, is followed anew. */
  async function follow({ id, socket }: ClusterWorker): Promise<void> {
    const leave = new AbortController()
    followed.set(id, leave)
    let isRefused = false
    const client = new Client('http://localhost', { socketPath: socket, bodyTimeout: 0 })
    try {
      const { statusCode, body } = await client.request({ method: 'GET', path, signal: leave.signal })
      // It has too many readers of its own, and is not asked again.
      isRefused = statusCode !== 200
      if (isRefused) return
      let rest = ''
      for await (const chunk of body.setEncoding('utf8')) {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() as string
        if (rest.length > MAX_LINE) return
        for (const line of lines) stream.push(line === '' ? '\n' : frame(line))
        if (stream.readableLength > MAX_WAITING) await once(stream, 'wanted', { signal: leave.signal })
      }
    } catch {
      // It has ended, or the reader has left.
    } finally {
      client.destroy().catch(() => {})
      if (!isRefused) followed.delete(id)
    }
  }
}
