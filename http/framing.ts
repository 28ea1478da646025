import type { IncomingMessage } from 'node:http'
import { createProblem } from './problem.ts'

export const BadFraming = createProblem(
  'SLUICE_BAD_FRAMING',
  'A request body is not allowed here, or its framing is not',
  400
)
const UnknownCoding = createProblem('SLUICE_UNKNOWN_CODING', 'The transfer coding is not supported', 501)

/**
 * Returns the error for a `Transfer-Encoding` that Node's parser accepts and a gateway must not: it would pass on the
 * coded bytes as if they were the content (RFC 9112, 6.1), and HTTP/1.0 has no chunks.
 */
export function transferCodingFault({ headers, httpVersion }: IncomingMessage) {
  const coding = headers['transfer-encoding']
  if (coding === undefined) return undefined
  if (httpVersion === '1.0') return BadFraming
  return coding.trim().toLowerCase() === 'chunked' ? undefined : UnknownCoding
}
