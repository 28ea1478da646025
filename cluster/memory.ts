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

/** glibc keeps what has been given back apart for each thread; there is one that does the work. */
export const WORKER_ENV = { MALLOC_ARENA_MAX: '1' }
