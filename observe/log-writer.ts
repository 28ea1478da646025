import { openSync, write, writeSync } from 'node:fs'
import { Octets } from './byte-buffer.ts'
import { type Destination, openNonBlocking } from './non-blocking.ts'

/**
 * Lines for a file descriptor, or for the end of a file, written in the background: by the page or when told to. What waits
 * once `BACKLOG` bytes wait already is lost, by lines and counted. A destination that fails is tried again with each page.
 *
 * Not sonic-boom: it allocates and copies each page again before it writes it, which takes as long as putting the lines
 * together does. These pages are used again.
 */
export class Pages extends Octets {
  /** Lines, since the start. */
  lost = 0
  #to: Destination
  #atOnce: number
  /** Is called once nothing waits any more, with the number of lines that have been lost since it was called last. */
  #onRecovered: (dropped: number) => void
  #dropped = 0
  #page: Page
  /** Of the page, where what has not been handed on yet begins, and the line that is not ended yet. */
  #start = 0
  #line = 0
  #free: Page[] = []
  #parts: Part[] = []
  #waiting = 0
  #isWriting = false
  #retry: NodeJS.Timeout | undefined
  /** Milliseconds to the next try, and since when the destination has taken nothing. */
  #retryAfter = MIN_RETRY
  #fullSince: number | undefined

  /** `atOnce`: bytes of a write at most; a line that is longer is written all the same. */
  constructor(to: number | string, atOnce: number | undefined, onRecovered: (dropped: number) => void) {
    const page = new Page(PAGE)
    super(page.bytes)
    this.#page = page
    page.isCurrent = true
    this.#to = openNonBlocking(typeof to === 'number' ? to : openSync(to, 'a'))
    this.#atOnce = atOnce ?? PAGE
    this.#onRecovered = onRecovered
  }

  endLine(): void {
    if (this.end - this.#start > this.#atOnce) this.flush()
    this.#line = this.end
  }

  /** Hands on the lines that have been ended. */
  flush(): void {
    const size = this.#line - this.#start
    if (size > 0) {
      const part = { page: this.#page, start: this.#start, end: this.#line }
      if (this.#waiting + size > BACKLOG) this.#lose(part)
      else {
        this.#parts.push(part)
        this.#waiting += size
        this.#page.waiting++
      }
      this.#start = this.#line
    }
    this.#writeNext()
  }

  /** Waits for a slow destination until it has taken nothing for `PATIENCE` ms. Does not wait for one that fails. */
  flushSync(): void {
    this.flush()
    // The first is a thread's already, which the process waits for.
    const parts = this.#parts.splice(this.#isWriting ? 1 : 0)
    const end = performance.now() + MAX_PATIENCE
    for (const part of parts) {
      this.#waiting -= part.end - part.start
      while (part.start < part.end)
        try {
          this.#to.unblock()
          part.start += writeSync(this.#to.fd, part.page.bytes, part.start, part.end - part.start)
          this.#fullSince = undefined
        } catch (error) {
          if (!isFull(error as NodeJS.ErrnoException)) break
          const now = performance.now()
          this.#fullSince ??= now
          if (now > Math.min(end, this.#fullSince + PATIENCE)) break
          Atomics.wait(CLOCK, 0, 0, SYNC_RETRY)
        }
      if (part.start < part.end) this.#lose(part)
      this.#leave(part.page)
    }
  }

  /** The line goes on on another page. */
  protected override makeRoom(size: number): void {
    this.flush()
    const before = this.#page
    const begun = this.end - this.#line
    const needed = begun + size
    const page = (needed <= PAGE ? this.#free.pop() : undefined) ?? new Page(Math.max(needed, PAGE))
    page.bytes.set(before.bytes.subarray(this.#line, this.end))
    before.isCurrent = false
    this.#recycle(before)
    page.isCurrent = true
    this.#page = page
    this.bytes = page.bytes
    this.#start = this.#line = 0
    this.end = begun
  }

  #writeNext(): void {
    const [part] = this.#parts
    if (part === undefined || this.#isWriting || this.#retry !== undefined) return
    this.#isWriting = true
    this.#to.unblock()
    write(this.#to.fd, part.page.bytes, part.start, part.end - part.start, null, this.#onWritten)
  }

  #onWritten = (error: NodeJS.ErrnoException | null, size: number): void => {
    this.#isWriting = false
    if (error !== null) {
      if (!isFull(error)) return
      this.#fullSince ??= performance.now()
      this.#retry = setTimeout(this.#tryAgain, this.#retryAfter)
      this.#retryAfter = Math.min(MAX_RETRY, this.#retryAfter * 2)
      return
    }
    this.#retryAfter = MIN_RETRY
    this.#fullSince = undefined
    const part = this.#parts[0] as Part
    part.start += size
    this.#waiting -= size
    if (part.start === part.end) {
      this.#parts.shift()
      this.#leave(part.page)
    }
    if (this.#parts.length > 0) {
      this.#writeNext()
      return
    }
    const dropped = this.#dropped
    this.#dropped = 0
    if (dropped > 0) this.#onRecovered(dropped)
  }

  #tryAgain = (): void => {
    this.#retry = undefined
    this.#writeNext()
  }

  #lose({ page, start, end }: Part): void {
    const { bytes } = page
    let lines = 0
    for (let at = bytes.indexOf(LINE_END, start); at !== -1 && at < end; at = bytes.indexOf(LINE_END, at + 1))
      lines++
    this.#dropped += lines
    this.lost += lines
  }

  #leave(page: Page): void {
    page.waiting--
    this.#recycle(page)
  }

  #recycle(page: Page): void {
    if (page.isCurrent || page.waiting > 0) return
    if (page.bytes.length === PAGE && this.#free.length < SPARE) this.#free.push(page)
  }
}

class Page {
  readonly bytes: Octets['bytes']
  /** Parts of it that have not been written. */
  waiting = 0
  isCurrent = false

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size) as Octets['bytes']
  }
}

interface Part {
  page: Page
  start: number
  end: number
}

/** Of a pipe that nobody empties fast enough. */
function isFull({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EAGAIN' || code === 'EBUSY'
}

/** Bytes. */
const PAGE = 262_144
const BACKLOG = 4_194_304
/** Pages that wait to be used again. */
const SPARE = 4
/** Milliseconds: a reader empties a pipe (65,536 bytes) in far less than one. */
const MIN_RETRY = 1
const MAX_RETRY = 100
const SYNC_RETRY = 10
const PATIENCE = 500
const MAX_PATIENCE = 2_000
const LINE_END = 10
const CLOCK = new Int32Array(new SharedArrayBuffer(4))
