/**
 * Returns milliseconds of the machine's monotonic clock, for times that several processes compare.
 *
 * `performance.now()` counts from the start of its process, and a wall clock can be set back. libuv's `uv_hrtime`, which
 * `process.hrtime` reads, is one clock for all processes of a machine: CLOCK_MONOTONIC, mach_continuous_time, QPC.
 */
export function machineNow(): number {
  return ORIGIN + performance.now()
}

/** Origin of `performance.now()`, which is faster than `process.hrtime` and allocates nothing. */
const ORIGIN = findOrigin()

/** The process may be suspended between two readings, so the closest two of several count. */
function findOrigin(): number {
  let origin = 0
  let closest = Number.POSITIVE_INFINITY
  for (let i = 0; i < 10; i++) {
    const before = performance.now()
    const [seconds, nanoseconds] = process.hrtime()
    const apart = performance.now() - before
    if (apart >= closest) continue
    closest = apart
    origin = seconds * 1_000 + nanoseconds / 1e6 - before
  }
  return origin
}
