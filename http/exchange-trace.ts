import type { Attributes, Span, SpanOptions } from '@opentelemetry/api'

/** Spans of an exchange whose trace is sampled. Created by the otel plugin. */
export interface ExchangeTrace {
  /** SERVER span of the exchange. */
  readonly span: Span
  /** Starts a child of `parent`. Default: of the SERVER span. */
  startSpan(name: string, options?: SpanOptions, parent?: Span): Span
  /** Starts the CLIENT span of a call. */
  startCall(name: string, attributes: Attributes, options?: CallOptions): Span
  /** Starts the span of a composition's part, the parent of the part's calls. */
  startPart(name: string): void
  endPart(name: string, error: Error | null): void
  /** Ends a span. `errorType`: why its work failed, a cause or the name of an error. */
  end(span: Span, errorType?: string, endedAt?: number): void
}

export interface CallOptions {
  /** By `performance.now()`. Default: now. */
  startedAt?: number
  /** Name of the part that calls. */
  part?: string | undefined
}
