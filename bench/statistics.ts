export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

export interface Quartiles {
  median: number
  low: number
  high: number
}

/** Returns the quartiles of `a[i] / b[i]`; each pair is from one round. */
export function ratio(a: number[], b: number[]): Quartiles {
  return quartiles(a.map((value, i) => value / (b[i] as number)))
}

export function quartiles(values: number[]): Quartiles {
  const sorted = values.toSorted((x, y) => x - y)
  const at = (fraction: number) => sorted[Math.floor((sorted.length - 1) * fraction)] ?? Number.NaN
  return { median: at(0.5), low: at(0.25), high: at(0.75) }
}

export function round(value: number, places: number): number {
  return Number(value.toFixed(places))
}
