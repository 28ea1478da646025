import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** A `traceparent` (W3C Trace Context, 3.2). Node joins duplicate headers by a comma, which no valid value contains. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const NO_TRACE = '0'.repeat(32)
const NO_SPAN = '0'.repeat(16)
/** Characters; future versions may be longer than version 00. */
const MAX_TRACEPARENT = 256

/** Returns the header as services receive it, in version 00, or undefined if it is missing or invalid. */
export function passedTraceparent(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length < LENGTH || value.length > MAX_TRACEPARENT) return undefined
  const [, version, trace, span, flags, rest] = TRACEPARENT.exec(value) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && rest !== undefined)) return undefined
  if (trace === NO_TRACE || span === NO_SPAN) return undefined
  // Unknown flags are not passed on (3.2.2.5); level 2 defines two.
  const known = Number.parseInt(flags as string, 16) & 3
  return version === '00' && known === Number.parseInt(flags as string, 16)
    ? value
    : `00-${trace}-${span}-0${known}`
}

/** A list member (3.3.1.3): a key, which may name a tenant, and printable ASCII without `,` and `=`. */
const MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}$/

/** Returns the header as services receive it, or undefined if it or the `traceparent` beside it is missing or invalid. */
export function passedTracestate({ traceparent, tracestate }: IncomingHttpHeaders): string | undefined {
  if (typeof tracestate !== 'string' || tracestate.length > 1_024) return undefined
  if (passedTraceparent(traceparent) === undefined) return undefined
  const members = tracestate.split(',').map(member => member.trim())
  const given = members.filter(member => member !== '')
  if (given.length === 0 || given.length > 32 || !given.every(member => MEMBER.test(member))) return undefined
  // Duplicate keys are passed on, as W3C's test suite demands.
  return tracestate
}

/**
 * Returns a function that creates the `traceparent` of a new trace. It draws random bytes for many traces at once, since a
 * draw and its conversion to text cost as much for one. Each header is a slice of one flat string, so that writers need not
 * flatten it.
 * @param sample share of the traces that are marked as sampled, 0 to 1
 */
export function createTraces(sample: number): () => string {
  let batch = ''
  let used = 0
  return function createTraceparent(): string {
    if (used === batch.length) {
      batch = createBatch(sample)
      used = 0
    }
    used += LENGTH
    return batch.slice(used - LENGTH, used)
  }
}

function createBatch(sample: number): string {
  const random = randomBytes(24 * TRACES).toString('hex')
  const headers: string[] = []
  for (let at = 0; at < random.length; at += 48) {
    const trace = random.slice(at, at + 32)
    const span = random.slice(at + 32, at + 48)
    // Invalid, and as good as never drawn.
    if (trace === NO_TRACE || span === NO_SPAN) continue
    // The trace id is random (level 2, 2.2.2.2), by which samplers of services may decide.
    headers.push(`00-${trace}-${span}-${sample === 1 || Math.random() < sample ? '03' : '02'}`)
  }
  return headers.join('')
}

/** Traces in a batch. */
const TRACES = 256
/** Characters of a header of version 00. */
const LENGTH = 55
