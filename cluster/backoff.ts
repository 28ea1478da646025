export interface BackoffOptions {
  /** ms after the second failure in a row; doubles with each further one. After the first there is no delay. */
  base: number
  max: number
}

/** Returns the delay in ms after `failures` in a row, with jitter of up to a half. */
export function backoff(failures: number, { base, max }: BackoffOptions, random = Math.random): number {
  if (failures <= 1) return 0
  return Math.min(max, base * 2 ** Math.min(failures - 2, 30)) * (1 - random() / 2)
}
