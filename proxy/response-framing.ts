import type { Headers } from './call-types.ts'

/** 1xx responses that a service may send before its response (RFC 9110, 15.2). */
export const MAX_INTERIM_RESPONSES = 16

/** Returns true for an unknown status or coding: coded content would be passed on as if it were not coded (RFC 9112, 6.1). */
export function isInvalidFraming(statusCode: number, { 'transfer-encoding': coding }: Headers): boolean {
  return statusCode > 599 || (coding !== undefined && String(coding).trim().toLowerCase() !== 'chunked')
}

/** RFC 9110, 6.4.1. */
export function hasNoBody(isHead: boolean, statusCode: number): boolean {
  return isHead || statusCode === 204 || statusCode === 304
}

/** Returns true for a response without a body, or with one of known length within the limit. */
export function isSmall(
  { isHead, bufferLimit }: { isHead: boolean; bufferLimit: number },
  statusCode: number,
  { 'content-length': length }: Headers
): boolean {
  return hasNoBody(isHead, statusCode) || (typeof length === 'string' && Number(length) <= bufferLimit)
}
