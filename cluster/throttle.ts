/**
 * `write` with how often it was called, at once and then at most once in `ms`: for what may come a thousand times a second
 * and is to be one line.
 */
export function rarely<Arguments extends unknown[]>(
  ms: number,
  write: (count: number, ...of: Arguments) => void
): (...of: Arguments) => void {
  let count = 0
  let writesAt = 0

  return (...of) => {
    count++
    const now = performance.now()
    if (now < writesAt) return
    writesAt = now + ms
    write(count, ...of)
    count = 0
  }
}
