import type { Headers } from '../../proxy/call-types.ts'
import type { UpstreamAttempt } from '../../proxy/upstream-attempt.ts'
import { type BodyPrefix, maxStored, type StoredBody, storeBody } from './bodies.ts'
import { storedValue } from './credentials.ts'

/** An attempt of an exchange with the beginnings of its bodies, if they are kept. */
export interface RecordedAttempt {
  attempt: UpstreamAttempt
  requestBody: BodyPrefix | undefined
  responseBody: BodyPrefix | undefined
}

/** An attempt without what was sent and received. Times are milliseconds from the start of the exchange. */
interface AttemptSummary {
  upstream: string
  endpoint: string
  /** Name of the part of a composition. */
  part?: string | undefined
  /** 0 for the first attempt of a call, 1 for its first retry. */
  retry: number
  /** True for a mirrored request. */
  isMirror?: true | undefined
  startMs: number
  /** Undefined without a response. */
  headersMs?: number | undefined
  /** Undefined if it had not ended when the exchange ended, as a mirrored request. */
  endMs?: number | undefined
  status?: number | undefined
  grpcStatus?: number | undefined
  cause?: string | undefined
  causeDetail?: string | undefined
}

/** Headers and bodies of both directions. */
interface AttemptContent<Body> {
  method: string
  path: string
  requestHeaders: Headers
  responseHeaders?: Headers | undefined
  requestBody?: Body | undefined
  responseBody?: Body | undefined
}

/** An attempt in a store. */
export interface StoredAttempt extends AttemptSummary {
  content?: AttemptContent<StoredBody>
}

/** Attempts as JSON, with the bodies that are stored behind it in the same order. */
export interface PackedAttempts {
  json: Buffer
  bodies: BodyPrefix[]
}

/** Bytes of a body, and how many of them are stored. */
interface BodySize {
  size: number
  stored: number
}

/** Characters of headers and paths of an exchange's attempts; beyond, attempts are stored without them and their bodies. */
const MAX_CONTENT = 65_536

/**
 * @param startedAt of the exchange
 * @param limit bytes of each body; undefined to leave out what was sent and received
 */
export function packAttempts(
  attempts: readonly RecordedAttempt[],
  startedAt: number,
  limit: number | undefined
): PackedAttempts {
  const bodies: BodyPrefix[] = []
  let room = MAX_CONTENT
  const items = attempts.map(({ attempt, requestBody, responseBody }) => {
    const summary = JSON.stringify(summaryOf(attempt, startedAt))
    if (limit === undefined) return summary
    const given: AttemptContent<BodySize> = {
      method: attempt.method,
      path: attempt.path,
      requestHeaders: storedHeaders(attempt.headers),
      responseHeaders: attempt.responseHeaders && storedHeaders(attempt.responseHeaders),
      requestBody: sizeOf(requestBody, limit),
      responseBody: sizeOf(responseBody, limit)
    }
    const content = JSON.stringify(given)
    if (content.length > room) return summary
    room -= content.length
    for (const body of [requestBody, responseBody]) if (body !== undefined) bodies.push(body)
    return `${summary.slice(0, -1)},"content":${content}}`
  })
  return { json: Buffer.from(`[${items.join()}]`), bodies }
}

/** Returns the bytes that `writeAttempts` writes. */
export function sizeOfAttempts({ json, bodies }: PackedAttempts, limit: number): number {
  return bodies.reduce((size, body) => size + maxStored(body, limit), json.length)
}

/** Writes attempts at `start`. Returns the end of their JSON and of their bodies. */
export function writeAttempts(
  { json, bodies }: PackedAttempts,
  limit: number,
  bytes: Buffer,
  start: number
): [jsonEnd: number, end: number] {
  bytes.set(json, start)
  const jsonEnd = start + json.length
  let end = jsonEnd
  for (const body of bodies) end += storeBody(body, limit, bytes, end)
  return [jsonEnd, end]
}

/** @param bodies bytes of all bodies, one after the other */
export function readAttempts(json: Buffer, bodies: Buffer): StoredAttempt[] {
  if (json.length === 0) return []
  let start = 0
  const attempts: (AttemptSummary & { content?: AttemptContent<BodySize> })[] = JSON.parse(json.toString())
  return attempts.map(({ content, ...summary }) => {
    if (content === undefined) return summary
    const requestBody = bodyOf(content.requestBody)
    return { ...summary, content: { ...content, requestBody, responseBody: bodyOf(content.responseBody) } }
  })

  function bodyOf(body: BodySize | undefined): StoredBody | undefined {
    if (body === undefined) return undefined
    const { size, stored } = body
    const content = bodies.subarray(start, start + stored)
    start += stored
    return { content, size, isTruncated: stored < size }
  }
}

function summaryOf(attempt: UpstreamAttempt, startedAt: number): AttemptSummary {
  const { upstream, endpoint, part, retry, status, grpcStatus, cause, causeDetail } = attempt
  const offset = (time: number) => (time === 0 ? undefined : Math.round((time - startedAt) * 1_000) / 1_000)
  return {
    ...{ upstream, endpoint, part, retry },
    isMirror: attempt.isMirror || undefined,
    startMs: offset(attempt.startedAt) as number,
    headersMs: offset(attempt.respondedAt),
    endMs: offset(attempt.endedAt),
    ...{ status, grpcStatus, cause, causeDetail }
  }
}

function storedHeaders(headers: Headers): Headers {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      typeof value === 'string' ? storedValue(name, value) : value
    ])
  )
}

function sizeOf(body: BodyPrefix | undefined, limit: number): BodySize | undefined {
  return body && { size: body.size, stored: maxStored(body, limit) }
}
