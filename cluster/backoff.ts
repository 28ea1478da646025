/** How long to wait before something that fails again and again is tried again. */
export interface BackoffOptions {
  /** Milliseconds after the second failure in a row, doubled with each; the first costs nothing. */
  base: number
  max: number
}

/** Milliseconds after `failures` in a row, less up to a half by chance, so that many do not come at once. */
export function backoff(failures: number, { base, max }: BackoffOptions, random = Math.random): number {
  if (failures <= 1) return 0
  return Math.min(max, base * 2 ** Math.min(failures - 2, 30)) * (1 - random() / 2)
}
