/** Spans that were ended, by what became of them. */
export interface SpanCounts {
  exported: number
  /** Dropped, since the exports were slower than the requests. */
  queueFull: number
  /** Dropped, since the collector was down or rejected them. */
  failed: number
}
