import type { Exemplar } from './exemplars.ts'

/** Seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const SUM = BUCKETS.length + 1
/** Buckets of a series, with that of the values above all bounds. */
export const BUCKET_COUNT = BUCKETS.length + 1

/** The count of each bucket, not cumulated, then the sum of all values. */
export type Series = Float64Array

export function createSeries(): Series {
  return new Float64Array(BUCKETS.length + 2)
}

/** Counts a value. Returns the index of its bucket. */
export function observe(series: Series, seconds: number): number {
  let bucket = 0
  while (bucket < BUCKETS.length && seconds > (BUCKETS[bucket] as number)) bucket++
  series[bucket] = (series[bucket] as number) + 1
  series[SUM] = (series[SUM] as number) + seconds
  return bucket
}

/** Adds the counts of `other` to `series`. */
export function addSeries(series: Series, other: Series): void {
  for (const [i, value] of other.entries()) series[i] = (series[i] as number) + value
}

/**
 * Returns the quantile of the counts of buckets, not cumulated, in seconds. Assumes that durations are spread evenly within
 * their bucket, as Prometheus' `histogram_quantile` does; beyond the last bound, returns that bound.
 */
export function quantileOf(counts: ArrayLike<number>, quantile: number): number | undefined {
  let total = 0
  for (let i = 0; i <= BUCKETS.length; i++) total += counts[i] ?? 0
  if (total === 0) return undefined
  let left = total * quantile
  for (const [i, end] of BUCKETS.entries()) {
    const count = counts[i] ?? 0
    const start = BUCKETS[i - 1] ?? 0
    if (count >= left) return start + (end - start) * (left / count)
    left -= count
  }
  return BUCKETS.at(-1)
}

/** Returns the values of a histogram in prom-client's form. */
export function valuesOf(
  name: string,
  labels: object,
  series: Series,
  exemplars: (Exemplar | undefined)[] = []
): object[] {
  const values: object[] = []
  let count = 0
  for (const [i, le] of [...BUCKETS, '+Inf'].entries()) {
    count += series[i] as number
    const exemplar = exemplars[i]
    values.push({
      metricName: `${name}_bucket`,
      labels: { le, ...labels },
      value: count,
      ...(exemplar && { exemplar })
    })
  }
  values.push({ metricName: `${name}_sum`, labels, value: series[SUM] })
  values.push({ metricName: `${name}_count`, labels, value: count })
  return values
}
