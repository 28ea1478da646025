import type { Attributes, Context, HrTime, Span, SpanOptions } from '@opentelemetry/api'
import type { CallOptions, ExchangeTrace } from '../../http/exchange-trace.ts'
import { failureOf } from '../../http/failure.ts'
import type { TracerOf } from './tracing.ts'

/**
 * Converts times by `performance.now()` to those of spans. The spans of an exchange share a clock: the SDK reads `Date.now()`,
 * which has whole milliseconds, for each span, so that a call could begin before its exchange.
 */
export class SpanClock {
  readonly #offset = Date.now() - performance.now()

  toTime(ms = performance.now()): HrTime {
    const time = ms + this.#offset
    const seconds = Math.floor(time / 1_000)
    return [seconds, Math.round((time - seconds * 1_000) * 1_000_000)]
  }
}

/** The spans of one sampled exchange: parts and calls below its SERVER span. */
export class SpanTree implements ExchangeTrace {
  readonly span: Span
  readonly #from: TracerOf
  readonly #context: Context
  readonly #clock: SpanClock
  #parts: Map<string, Span> | undefined

  constructor(span: Span, from: TracerOf, clock: SpanClock) {
    this.span = span
    this.#from = from
    this.#clock = clock
    this.#context = this.#below(span)
  }

  startSpan(name: string, options?: SpanOptions, parent?: Span): Span {
    return this.#from.tracer.startSpan(
      name,
      options,
      parent === undefined ? this.#context : this.#below(parent)
    )
  }

  startCall(name: string, attributes: Attributes, { startedAt, part }: CallOptions = {}): Span {
    const kind = this.#from.api.SpanKind.CLIENT
    const options = { kind, attributes, startTime: this.#clock.toTime(startedAt) }
    return this.startSpan(name, options, part === undefined ? undefined : this.#parts?.get(part))
  }

  startPart(name: string): void {
    const options = { attributes: { 'sluice.part': name }, startTime: this.#clock.toTime() }
    const span = this.startSpan(`part ${name}`, options)
    this.#parts ??= new Map()
    this.#parts.set(name, span)
  }

  endPart(name: string, error: Error | null): void {
    const span = this.#parts?.get(name)
    if (span !== undefined) this.end(span, error === null ? undefined : failureOf(error, false).cause)
  }

  end(span: Span, errorType?: string, endedAt?: number): void {
    if (errorType !== undefined) {
      span.setAttribute('error.type', errorType)
      span.setStatus({ code: this.#from.api.SpanStatusCode.ERROR })
    }
    span.end(this.#clock.toTime(endedAt))
  }

  /** Not from the active context, which would need AsyncLocalStorage on the path of every request. */
  #below(parent: Span): Context {
    const { ROOT_CONTEXT, trace } = this.#from.api
    return trace.setSpan(ROOT_CONTEXT, parent)
  }
}
