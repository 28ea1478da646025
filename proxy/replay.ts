import { Readable } from 'node:stream'

export function isStream(body: unknown): body is Readable {
  return typeof body === 'object' && body !== null && !Buffer.isBuffer(body)
}

/**
 * A streamed request body that can be sent more than once: what is read of it is kept, up to `limit` bytes. A further
 * attempt gets what was kept, then the rest as it comes. Once more than the limit has been read nothing is kept, and
 * whoever reads goes on without a copy. The source itself is never destroyed by an attempt that fails.
 */
export class Replay {
  #source: Readable
  #limit: number
  #kept: Buffer[] = []
  #size = 0
  #ended = false
  #failure: Error | undefined
  #reader: Readable | undefined

  constructor(source: Readable, limit: number) {
    this.#source = source
    this.#limit = limit
    source.on('data', (chunk: Buffer) => this.#take(chunk))
    source.on('end', () => {
      this.#ended = true
      this.#reader?.push(null)
    })
    source.on('error', error => this.#fail(error))
    source.on('close', () => {
      if (!this.#ended) this.#fail(new Error('the body ended early'))
    })
    source.pause()
    this.#ended = source.readableEnded
    if (source.destroyed && !this.#ended) this.#fail(source.errored ?? new Error('the body ended early'))
  }

  /** True as long as everything that was read is kept. */
  get canReplay(): boolean {
    return this.#size <= this.#limit && this.#failure === undefined
  }

  /** All of it, or undefined if it is not, or no longer, here. */
  get whole(): Buffer | undefined {
    return this.#ended && this.canReplay ? Buffer.concat(this.#kept, this.#size) : undefined
  }

  /** The body from its beginning. The reader before gets no more. */
  open(): Readable {
    const reader = new Readable({
      read: () => {
        if (this.#reader === reader && !this.#ended) this.#source.resume()
      },
      destroy: (error, done) => {
        if (this.#reader === reader) {
          this.#reader = undefined
          this.#source.pause()
        }
        done(error)
      }
    })
    // Whoever had it may have let go of it, as between two attempts, or not have taken it yet.
    reader.on('error', ignore)
    this.#reader?.destroy()
    this.#reader = reader
    for (const chunk of this.#kept) reader.push(chunk)
    if (this.#ended) reader.push(null)
    if (this.#failure !== undefined) reader.destroy(this.#failure)
    return reader
  }

  #take(chunk: Buffer): void {
    this.#size += chunk.length
    if (this.#size <= this.#limit) this.#kept.push(chunk)
    else this.#kept = []
    if (this.#reader?.push(chunk) !== true) this.#source.pause()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#kept = []
    this.#reader?.destroy(error)
  }
}

function ignore(): void {}
