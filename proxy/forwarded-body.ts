import { type Readable, Transform } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { transferCodingFault } from '../http/framing.ts'
import { createProblem } from '../http/problem.ts'

const BodyTooLarge = createProblem('SLUICE_BODY_TOO_LARGE', 'The request body is too large', 413)

/** Content type parser that passes the body on as a stream, up to the route's `bodyLimit`. */
export function streamBody(
  request: FastifyRequest,
  payload: Readable,
  done: (error: Error | null, body?: Readable) => void
): void {
  const limit = request.routeOptions.bodyLimit
  const length = request.headers['content-length']
  const CodingFault = transferCodingFault(request.raw)
  if (CodingFault !== undefined) done(new CodingFault())
  else if (length === undefined) done(null, limitBody(payload, limit))
  else if (Number(length) > limit) done(new BodyTooLarge())
  else done(null, payload)
}

function limitBody(payload: Readable, limit: number): Readable {
  let size = 0
  const body = new Transform({
    transform(chunk, _encoding, pass) {
      size += chunk.length
      if (size > limit) pass(new BodyTooLarge())
      else pass(null, chunk)
    }
  })
  // The body may have no reader: its call waits in the bulkhead, or was rejected.
  body.on('error', ignore)
  // pipeline() would destroy the request, and with it the connection that the response needs.
  payload.on('error', error => body.destroy(error))
  return payload.pipe(body)
}

function ignore(): void {}
