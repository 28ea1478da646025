import type { Dispatcher } from 'undici'
import type { UpstreamAttempt } from './upstream-attempt.ts'

/** Bytes and milliseconds that a connection is worth: reading the rest of a body keeps it for the next call. */
const MAX_SIZE = 16_384
const MAX_TIME = 500

/** Body of a response that is retried: read up to a limit, then aborted. */
export class DiscardedBody {
  #controller: Dispatcher.DispatchController
  #observed: UpstreamAttempt | undefined
  #timer: NodeJS.Timeout
  #size = 0

  constructor(controller: Dispatcher.DispatchController, observed: UpstreamAttempt | undefined) {
    this.#controller = controller
    this.#observed = observed
    this.#timer = setTimeout(() => this.#abort(), MAX_TIME)
  }

  add(chunk: Buffer): void {
    this.#size += chunk.length
    if (this.#size > MAX_SIZE) this.#abort()
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#observed?.end()
  }

  #abort(): void {
    this.#controller.abort(new Error('the response is not wanted'))
  }
}
