import { openSync, write, writeSync } from 'node:fs'
import { type Destination, openNonBlocking } from './non-blocking.ts'

/**
 * Writes log entries to a file descriptor or a file in the background. At most `BACKLOG` bytes wait; entries beyond that are
 * dropped and counted. A destination that fails is tried again with the next entries.
 *
 * Not sonic-boom, pino's destination: its `flushSync()` never returns while a disk is full or a pipe has no reader
 * (docs/decisions/0033).
 */
export class LogWriter {
  /** Entries dropped since the start. */
  dropped = 0
  #destination: Destination
  #maxWrite: number
  #onRecovered: (dropped: number) => void
  #droppedSinceRecovery = 0
  #texts: string[] = []
  #buffer = Buffer.allocUnsafeSlow(BUFFER)
  /** The part of the buffer that is not written yet. It holds whole entries, unless a write was partial. */
  #chunk: Buffer = EMPTY
  /** Bytes of the chunk that are being written. */
  #inFlight = 0
  /** Bytes of the texts and the chunk. */
  #waiting = 0
  #flushTimer: NodeJS.Timeout | undefined
  #retryTimer: NodeJS.Timeout | undefined
  #retryAfter = MIN_RETRY
  /** Time by `performance.now()` since when the destination has accepted nothing. */
  #fullSince: number | undefined

  /**
   * @param to file descriptor, or path of a file to append to
   * @param maxWrite bytes of one write, where others write to the same pipe; longer entries are written nevertheless
   * @param onRecovered called with the number of dropped entries once the destination has accepted everything again
   */
  constructor(to: number | string, maxWrite: number | undefined, onRecovered: (dropped: number) => void) {
    this.#destination = openNonBlocking(typeof to === 'number' ? to : openSync(to, 'a'))
    this.#maxWrite = maxWrite ?? BUFFER
    this.#onRecovered = onRecovered
  }

  /** Adds entries, each of which ends with a line break. Writes them soon, or now if there is enough for one write. */
  add(entries: string): void {
    const size = Buffer.byteLength(entries)
    if (this.#waiting + size > BACKLOG) this.#drop(entries)
    else {
      this.#texts.push(entries)
      this.#waiting += size
    }
    if (this.#waiting >= Math.min(this.#maxWrite, FULL_WRITE)) this.#writeNext()
    else this.#flushTimer ??= setTimeout(this.#flush, FLUSH_INTERVAL).unref()
  }

  /**
   * Writes everything before it returns. Waits for a slow destination until it has accepted nothing for `PATIENCE`, but not
   * for one that fails: entries are then dropped.
   */
  flushSync(): void {
    // The process waits at its exit for the write in flight, which belongs to another thread.
    const pending = this.#chunk.subarray(this.#inFlight)
    this.#chunk = this.#chunk.subarray(0, this.#inFlight)
    this.#waiting = this.#inFlight
    let rest = Buffer.concat([pending, Buffer.from(this.#texts.join(''))])
    this.#texts = []
    const deadline = performance.now() + MAX_PATIENCE
    while (rest.length > 0)
      try {
        this.#destination.unblock()
        rest = rest.subarray(writeSync(this.#destination.fd, rest, 0, this.#sizeOfNext(rest)))
        this.#fullSince = undefined
      } catch (error) {
        if (!isFull(error as NodeJS.ErrnoException)) break
        const now = performance.now()
        this.#fullSince ??= now
        if (now > Math.min(deadline, this.#fullSince + PATIENCE)) break
        Atomics.wait(CLOCK, 0, 0, SYNC_RETRY)
      }
    this.#drop(rest)
  }

  #flush = (): void => {
    this.#flushTimer = undefined
    this.#writeNext()
  }

  #writeNext(): void {
    if (this.#inFlight > 0 || this.#retryTimer !== undefined) return
    if (this.#chunk.length === 0) this.#fill()
    if (this.#chunk.length === 0) return
    this.#inFlight = this.#sizeOfNext(this.#chunk)
    this.#destination.unblock()
    write(this.#destination.fd, this.#chunk, 0, this.#inFlight, null, this.#onWritten)
  }

  /** Moves texts into the buffer, as many as fit. A longer one gets a buffer of its own. */
  #fill(): void {
    const texts = this.#texts
    let size = 0
    let count = 0
    for (; count < texts.length; count++) {
      const text = texts[count] as string
      if (size + Buffer.byteLength(text) > BUFFER) break
      size += this.#buffer.write(text, size)
    }
    this.#chunk =
      size === 0 && texts.length > 0 ? Buffer.from(texts[count++] as string) : this.#buffer.subarray(0, size)
    texts.splice(0, count)
  }

  /** Bytes of as many whole entries as one write may have. */
  #sizeOfNext(bytes: Buffer): number {
    if (bytes.length <= this.#maxWrite) return bytes.length
    return (
      bytes.lastIndexOf(LINE_BREAK, this.#maxWrite - 1) + 1 || bytes.indexOf(LINE_BREAK) + 1 || bytes.length
    )
  }

  #onWritten = (error: NodeJS.ErrnoException | null, size: number): void => {
    this.#inFlight = 0
    if (error !== null) {
      if (!isFull(error)) return
      this.#fullSince ??= performance.now()
      this.#retryTimer = setTimeout(this.#retry, this.#retryAfter)
      this.#retryAfter = Math.min(MAX_RETRY, this.#retryAfter * 2)
      return
    }
    this.#retryAfter = MIN_RETRY
    this.#fullSince = undefined
    this.#chunk = this.#chunk.subarray(size)
    this.#waiting -= size
    if (this.#waiting > 0) {
      this.#writeNext()
      return
    }
    const dropped = this.#droppedSinceRecovery
    this.#droppedSinceRecovery = 0
    if (dropped > 0) this.#onRecovered(dropped)
  }

  #retry = (): void => {
    this.#retryTimer = undefined
    this.#writeNext()
  }

  #drop(entries: string | Buffer): void {
    let count = 0
    for (let at = entries.indexOf('\n'); at !== -1; at = entries.indexOf('\n', at + 1)) count++
    this.dropped += count
    this.#droppedSinceRecovery += count
  }
}

/** Errors of a pipe whose reader is too slow. */
function isFull({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EAGAIN' || code === 'EBUSY'
}

/** Bytes. */
const BACKLOG = 4_194_304
const BUFFER = 262_144
const FULL_WRITE = 65_536
/** Milliseconds; a reader empties a pipe of 65,536 bytes in less than one. */
const FLUSH_INTERVAL = 200
const MIN_RETRY = 1
const MAX_RETRY = 100
const SYNC_RETRY = 10
const PATIENCE = 500
const MAX_PATIENCE = 2_000
const LINE_BREAK = 10
const EMPTY = Buffer.alloc(0)
const CLOCK = new Int32Array(new SharedArrayBuffer(4))
