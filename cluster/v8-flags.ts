import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/**
 * V8 flags that keep a worker's memory small and flat. By default V8 collects when the heap is three times as large as its
 * live objects. None of the flags is a hard limit. Figures: docs/memory.md.
 */
export const WORKER_FLAGS: readonly string[] = [
  // MiB of new objects after which the young generation is collected.
  '--max-semi-space-size=4',
  // Growth of the old generation after which it is collected.
  '--heap-growing-percent=20',
  // Free the compiler's memory at once. Under load no background thread gets to it, and glibc keeps the peak
  // (docs/decisions/0022).
  '--no-maglev-destroy-on-background',
  // Do not allocate objects in the old generation because earlier ones lived long: dead exchanges would keep everything
  // alive that they reference (docs/decisions/0023).
  '--no-allocation-site-pretenuring',
  // Count buffers as live memory. Otherwise 64 MiB of them start a full collection, for each large body
  // (docs/decisions/0027).
  '--external-memory-accounted-in-global-limit'
]

/** Returns the flags that this version of Node has: an unknown flag would keep it from starting. */
export async function knownFlags(flags: readonly string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--v8-options'], { maxBuffer: MAX_OPTIONS })
  const known = new Set(stdout.match(/^ +--[\w-]+/gm)?.map(option => option.trim()))
  return flags.filter(flag => known.has(flag.replace(/^--no-/, '--').replace(/=.*$/, '')))
}

/** Bytes of `--v8-options`; 80,000 in Node 26. */
const MAX_OPTIONS = 4_194_304

export const WORKER_ENV = {
  // glibc keeps freed memory per arena. One arena suffices, since one thread does the work.
  MALLOC_ARENA_MAX: '1',
  // Half of the threads may wait for DNS servers (http/lookup.ts).
  UV_THREADPOOL_SIZE: '16'
}
