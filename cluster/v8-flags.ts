import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/**
 * How a worker's process is started, so that it holds little and no more after a day than after an hour: by V8's own
 * rules the heap grows to three times of what is alive in it before that is looked through. Measured in docs/memory.md.
 * None of these is a hard limit: a worker that needs more gets it.
 */
export const WORKER_FLAGS: readonly string[] = [
  // MiB: what has just been made is looked through when there is this much of it.
  '--max-semi-space-size=4',
  // The rest, when it has grown by this share.
  '--heap-growing-percent=20',
  // What compiling a function has taken is given back when it is done, not when a thread has time for that: under load none
  // has, and glibc keeps what once was needed (docs/decisions/0022).
  '--no-maglev-destroy-on-background',
  // What V8 has once seen to live long it makes old from then on: dead, it keeps all alive that it names. A gateway's
  // exchanges then outlive their answers, at a fifth of the floor's time for each (docs/decisions/0023).
  '--no-allocation-site-pretenuring',
  // Buffers count as what is alive does, so that the young that hold them are looked through when there are many. By
  // themselves, 64 MiB of them had all of the heap marked, for each large body that came by (docs/decisions/0027).
  '--external-memory-accounted-in-global-limit'
]

/** Returns the flags that this version of Node has: an unknown flag would keep it from starting. */
export async function knownFlags(flags: readonly string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--v8-options'], { maxBuffer: MAX_OPTIONS })
  const known = new Set(stdout.match(/^ +--[\w-]+/gm)?.map(option => option.trim()))
  return flags.filter(flag => known.has(flag.replace(/^--no-/, '--').replace(/=.*$/, '')))
}

/** Bytes of text: 80,000 in Node 26. */
const MAX_OPTIONS = 4_194_304

export const WORKER_ENV = {
  // glibc keeps freed memory for each thread, and only one thread does the work.
  MALLOC_ARENA_MAX: '1',
  // Half of them may wait for DNS servers: see plugins/lookup.ts.
  UV_THREADPOOL_SIZE: '16'
}
