import type { ExchangeRecord } from './exchange-record.ts'

/**
 * Returns the access log entry of an exchange: JSON members in a fixed order, without braces. Joining strings takes less than
 * half the time of JSON.stringify (0.7 and 1.7 µs).
 * @param path redacted; undefined to leave it out
 * @param sample the share of exchanges that are logged, for an exchange that was drawn
 */
export function toLogEntry(record: ExchangeRecord, path?: string, sample?: number): string {
  const { id, traceparent, hasSpan, shared, causeDetail, clientAddress, consumer, abortReason } = record
  const { bytesReceived, bytesSent, durationUs, queueUs, upstreamUs, sendUs } = record
  const span = hasSpan ? `"span":"${traceparent.slice(36, 52)}",` : ''
  let entry = `"reqId":${quote(id)},"trace":"${traceparent.slice(3, 35)}",${span}${shared.json}`
  if (causeDetail !== undefined) entry += `,"causeDetail":${quote(causeDetail)}`
  if (path !== undefined) entry += `,"path":${quote(path)}`
  if (clientAddress !== undefined) entry += `,"clientAddress":${quote(clientAddress)}`
  if (consumer !== undefined) entry += `,"consumer":${quote(consumer)}`
  if (bytesReceived >= 0) entry += `,"bytesReceived":${bytesReceived},"bytesSent":${bytesSent}`
  entry += `,"durationMs":${durationUs / 1_000}`
  if (queueUs >= 0) entry += `,"queueMs":${queueUs / 1_000},"upstreamMs":${upstreamUs / 1_000}`
  if (sendUs >= 0) entry += `,"sendMs":${sendUs / 1_000}`
  if (sample !== undefined) entry += `,"sample":${sample}`
  if (abortReason !== undefined) entry += `,"abortReason":${quote(abortReason)}`
  return entry
}

/** Returns `text` as a JSON string, without a call of native code if it needs no escape. */
function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** Printable ASCII without quote and backslash. */
const PLAIN = /^[ !#-[\]-~]*$/
