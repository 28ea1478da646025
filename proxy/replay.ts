import { Readable } from 'node:stream'

export function isStream(body: unknown): body is Readable {
  return typeof body === 'object' && body !== null && !Buffer.isBuffer(body)
}

/**
 * A streamed request body that can be sent more than once: keeps the bytes read, up to `limit`. A further attempt gets the
 * kept bytes, then the rest of the stream. Beyond the limit nothing is kept, and the current reader continues. A failed
 * attempt never destroys the source.
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

  /** True while all bytes read are kept. */
  get canReplay(): boolean {
    return this.#size <= this.#limit && this.#failure === undefined
  }

  /** Returns the complete body, or undefined if it is incomplete or no longer kept. */
  get whole(): Buffer | undefined {
    return this.#ended && this.canReplay ? Buffer.concat(this.#kept, this.#size) : undefined
  }

  /** Returns a stream of the body from its start. Earlier streams get no more data. */
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
    // The stream may have no reader yet, or no longer, as between two attempts.
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
