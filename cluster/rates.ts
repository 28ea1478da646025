import { ERRORS, type ExchangeCounts, REJECTIONS } from '../observe/exchange-counts.ts'
import { quantileOf } from '../observe/histogram.ts'

/** Exchanges of an interval. */
export interface Rates {
  /** Exchanges a second. */
  rate: number
  /** Share that failed with a 5xx; null without exchanges, as are the durations. */
  errorRatio: number | null
  /** Share that was rejected with a 4xx. */
  rejectedRatio: number | null
  /** Milliseconds. */
  p50: number | null
  p95: number | null
  p99: number | null
}

/** @param rate exchanges a second */
export function ratesOf(counts: ExchangeCounts, rate: number): Rates {
  const total = exchangesOf(counts)
  const ms = (quantile: number) => rounded((quantileOf(counts, quantile) ?? Number.NaN) * 1_000)
  return {
    rate: rounded(rate) as number,
    errorRatio: rounded((counts[ERRORS] as number) / total),
    rejectedRatio: rounded((counts[REJECTIONS] as number) / total),
    p50: ms(0.5),
    p95: ms(0.95),
    p99: ms(0.99)
  }
}

/** Returns the number of exchanges. */
export function exchangesOf(counts: ExchangeCounts): number {
  return counts.slice(0, ERRORS).reduce((sum, count) => sum + count, 0)
}

/** Returns four decimals at most; null for NaN, which JSON does not have. */
export function rounded(value: number): number | null {
  return Number.isNaN(value) ? null : Math.round(value * 10_000) / 10_000
}
