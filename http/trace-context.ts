import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/**
 * W3C Trace Context: what a client sends is passed on if it is valid, and what is not begins a new trace. Two lines of a
 * header come joined by a comma, which no valid `traceparent` has.
 */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const NO_TRACE = '0'.repeat(32)
const NO_SPAN = '0'.repeat(16)
/** Characters: versions to come may be longer, but not without end. */
const MAX_PARENT = 256

/** The header as a service is to get it, in version 00 (3.2), or undefined if this is none. */
export function passedTraceparent(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length < 55 || value.length > MAX_PARENT) return undefined
  const [, version, trace, span, flags, rest] = TRACEPARENT.exec(value) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && rest !== undefined)) return undefined
  if (trace === NO_TRACE || span === NO_SPAN) return undefined
  // Flags that are not known are not passed on; level 2 knows two.
  const known = Number.parseInt(flags as string, 16) & 3
  return version === '00' && known === Number.parseInt(flags as string, 16)
    ? value
    : `00-${trace}-${span}-0${known}`
}

/** List members (3.3.1.3): a key, which may name a tenant, and printable ASCII without `,` and `=`. */
const MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}$/

/** Only worth something beside a valid `traceparent`. One that is not whole and well-formed says nothing. */
export function passedTracestate({ traceparent, tracestate }: IncomingHttpHeaders): string | undefined {
  if (typeof tracestate !== 'string' || tracestate.length > 1_024) return undefined
  if (passedTraceparent(traceparent) === undefined) return undefined
  const members = tracestate.split(',').map(member => member.trim())
  const given = members.filter(member => member !== '')
  if (given.length === 0 || given.length > 32 || !given.every(member => MEMBER.test(member))) return undefined
  // Duplicate keys are passed on, as W3C's test suite asks.
  return tracestate
}

/**
 * By the page: asking for few random bytes, or printing them, costs as much as doing so for many. And a header that is cut
 * out of one text is one piece, which whoever writes it down need not put together first.
 */
export function createTraces(sample: number): () => string {
  let page = ''
  let used = 0
  return function begin(): string {
    if (used === page.length) {
      page = createPage(sample)
      used = 0
    }
    used += LENGTH
    return page.slice(used - LENGTH, used)
  }
}

function createPage(sample: number): string {
  const random = randomBytes(24 * TRACES).toString('hex')
  const headers: string[] = []
  for (let at = 0; at < random.length; at += 48) {
    const trace = random.slice(at, at + 32)
    const span = random.slice(at + 32, at + 48)
    // None is as good as never drawn.
    if (trace === NO_TRACE || span === NO_SPAN) continue
    headers.push(`00-${trace}-${span}-${sample === 1 || Math.random() < sample ? '01' : '00'}`)
  }
  return headers.join('')
}

/** Of a page. */
const TRACES = 256
/** Characters of a header. */
const LENGTH = 55
