import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'

/** Reads the non-empty lines of a live stream. */
export async function follow(url: string, headers: Record<string, string> = {}) {
  const leave = new AbortController()
  const response = await fetch(url, { headers, signal: leave.signal })
  const input = Readable.fromWeb(response.body as never)
  input.on('error', () => {})
  const lines = createInterface(input)[Symbol.asyncIterator]()
  return {
    leave: () => leave.abort(),
    async next(): Promise<string> {
      for (;;) {
        const { value, done } = await lines.next()
        if (done) throw new Error('it has ended')
        if (value !== '') return value
      }
    }
  }
}
