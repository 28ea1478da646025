import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Abortable, Exchange } from '../exchange.ts'
import type { Outcome } from './breaker.ts'
import { UpstreamFailed, UpstreamNonsense, upstreamError } from './errors.ts'

export type Headers = Record<string, string | string[] | undefined>

export interface UpstreamResponse {
  statusCode: number
  headers: Headers
  /** A Buffer when the answer was small or had to be collected, undefined when there can be none, else a stream. */
  body: Buffer | Readable | string | undefined
}

export type UpstreamCallback = (error: Error | null, response?: UpstreamResponse) => void

/**
 * One call to an upstream: undici's dispatch handler that collects a small answer into one Buffer (a stream costs as
 * much again as the whole exchange), streams any other, and settles exactly once what the breaker is to count.
 */
export class Call implements Dispatcher.DispatchHandler, Abortable {
  #exchange: Exchange
  #limit: number
  #collectAll: boolean
  #callback: UpstreamCallback | undefined
  #settle: (outcome: Outcome) => void
  #isHead: boolean
  #controller: Dispatcher.DispatchController | undefined
  #statusCode = 0
  #headers: Headers = {}
  #chunks: Buffer[] | undefined
  #size = 0
  #stream: Readable | undefined
  #failure: Error | undefined
  #isSettled = false

  /**
   * `limit`: bytes up to which an answer of known length is collected; with `collectAll` every answer is collected,
   * and one that grows beyond the limit fails.
   */
  constructor(
    exchange: Exchange,
    isHead: boolean,
    limit: number,
    collectAll: boolean,
    settle: (outcome: Outcome) => void,
    callback: UpstreamCallback
  ) {
    this.#exchange = exchange
    this.#isHead = isHead
    this.#limit = limit
    this.#collectAll = collectAll
    this.#settle = settle
    this.#callback = callback
    exchange.attach(this)
  }

  abort(reason: Error): void {
    this.#fail(reason)
    this.#controller?.abort(reason)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#failure !== undefined) controller.abort(this.#failure)
    else this.#controller = controller
  }

  onResponseStart(controller: Dispatcher.DispatchController, statusCode: number, headers: Headers): void {
    if (statusCode < 200) return
    if (statusCode > 599) {
      this.abort(new UpstreamNonsense())
      return
    }
    this.#exchange.answeredAt = performance.now()
    this.#statusCode = statusCode
    this.#headers = headers
    if (this.#collectAll || this.#isSmall()) {
      this.#chunks = []
      return
    }
    const stream = new Readable({
      read: () => controller.resume(),
      destroy: (error, done) => {
        // Nobody reads on: the client has gone, or the reply was given up.
        if (this.#failure === undefined && !stream.readableEnded) this.abort(error ?? new UpstreamFailed())
        done(error)
      }
    })
    this.#stream = stream
    this.#answer(null, { statusCode, headers, body: stream })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#stream !== undefined) {
      if (!this.#stream.push(chunk)) controller.pause()
    } else if (this.#chunks !== undefined) {
      this.#size += chunk.length
      if (this.#size > this.#limit)
        this.abort(new UpstreamNonsense({ cause: new Error(`it answered more than ${this.#limit} bytes`) }))
      else this.#chunks.push(chunk)
    }
  }

  onResponseEnd(): void {
    if (this.#failure !== undefined) return
    this.#finish(this.#statusCode >= 500 ? 'failure' : this.#statusCode >= 400 ? 'answered' : 'success')
    if (this.#stream !== undefined) {
      this.#stream.push(null)
      return
    }
    this.#answer(null, { statusCode: this.#statusCode, headers: this.#headers, body: this.#collected() })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(upstreamError(error))
  }

  #collected(): Buffer | undefined {
    const chunks = this.#chunks as Buffer[]
    if (this.#hasNoBody()) return undefined
    return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, this.#size)
  }

  /** RFC 9110, 6.4.1. Its `content-length`, if any, is of a body that would have been. */
  #hasNoBody(): boolean {
    return this.#isHead || this.#statusCode === 204 || this.#statusCode === 304
  }

  #isSmall(): boolean {
    if (this.#hasNoBody()) return true
    const length = this.#headers['content-length']
    return typeof length === 'string' && Number(length) <= this.#limit
  }

  #fail(error: Error & { statusCode?: number }): void {
    if (this.#failure !== undefined || (this.#callback === undefined && this.#stream === undefined)) return
    this.#failure = error
    // A stream that waits for a slow client is not the service's fault.
    const waits =
      this.#stream !== undefined && this.#stream.readableLength >= this.#stream.readableHighWaterMark
    const status = error.statusCode ?? 500
    this.#finish(status < 500 || waits || this.#exchange.clientGone ? 'neutral' : 'failure')
    this.#stream?.destroy(error)
    this.#answer(error)
  }

  #finish(outcome: Outcome): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#exchange.detach(this)
    this.#settle(outcome)
  }

  #answer(error: Error | null, response?: UpstreamResponse): void {
    const callback = this.#callback
    this.#callback = undefined
    callback?.(error, response)
  }
}
