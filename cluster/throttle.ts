/**
 * Returns a function that calls `write` at once, then at most every `ms` milliseconds, with the number of calls since.
 * For events that may occur a thousand times a second and should become one log entry.
 */
export function throttle<Arguments extends unknown[]>(
  ms: number,
  write: (count: number, ...last: Arguments) => void
): (...last: Arguments) => void {
  let count = 0
  let writesAt = 0

  return (...last) => {
    count++
    const now = performance.now()
    if (now < writesAt) return
    writesAt = now + ms
    write(count, ...last)
    count = 0
  }
}
